/* conf_rows - turns the rows of a conf.def into struct conf_option rows of CONF_STRUCT. Included
 * without a guard, before each such use. */
#undef CONF_TEXT
#undef CONF_SECRET
#undef CONF_INT
#undef CONF_FLAG
#undef CONF_ROW_
#define CONF_ROW_(name, type, fallback_text, fallback, min, max, help)                             \
    {#name, type, offsetof(CONF_STRUCT, name), fallback_text, fallback, min, max, help},
#define CONF_TEXT(name, fallback, help)   CONF_ROW_(name, CONF_TYPE_TEXT, fallback, 0, 0, 0, help)
#define CONF_SECRET(name, fallback, help) CONF_ROW_(name, CONF_TYPE_SECRET, fallback, 0, 0, 0, help)
#define CONF_INT(name, fallback, min, max, help)                                                   \
    CONF_ROW_(name, CONF_TYPE_INT, NULL, fallback, min, max, help)
#define CONF_FLAG(name, help) CONF_ROW_(name, CONF_TYPE_FLAG, NULL, 0, 0, 1, help)
