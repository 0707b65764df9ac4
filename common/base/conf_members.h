/* conf_members - turns the rows of a conf.def into the members of its struct. Included without a
 * guard, before each such use. */
#undef CONF_TEXT
#undef CONF_SECRET
#undef CONF_INT
#undef CONF_FLAG
#define CONF_TEXT(name, fallback, help)          const char *name;
#define CONF_SECRET(name, fallback, help)        const char *name;
#define CONF_INT(name, fallback, min, max, help) int64_t name;
#define CONF_FLAG(name, help)                    bool name;
