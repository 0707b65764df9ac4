/* shape_undef - forgets the meaning of the field rows, before they get another one. */
#undef SHAPES_AS_STRUCTS
#undef F_TEXT
#undef F_ID
#undef F_TIME
#undef F_INT
#undef F_BOOL
#undef F_ENUM
#undef F_TEXTS
#undef F_IDS
#undef F_ENUMS
#undef F_INTS
#undef F_OBJECT
#undef F_LIST
#undef F_JSON
