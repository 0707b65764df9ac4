#include "proto/shape_text.h"

/* Patterns that take exactly what the decoder takes. "$(?!\n)": in some dialects $ also stands before a last line feed. */
#define ID_PATTERN "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$(?!\\n)"

/* 29 February only in leap years: divisible by 4, of the full centuries by 400. */
#define LEAP_YEAR                                                                                  \
    "(?:19(?:7[26]|8[048]|9[26])|(?:[2468][048]|[3579][26])00|"                                    \
    "[2-9][0-9](?:0[48]|[2468][048]|[13579][26]))"
#define MONTH_AND_DAY                                                                              \
    "(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|"      \
    "02-(?:0[1-9]|1[0-9]|2[0-8]))"
#define DATE(year)  "(?:" year "-" MONTH_AND_DAY "|" LEAP_YEAR "-02-29)"
#define TIME_OF_DAY "(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
#define OFFSET      "(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"

#define YEARS              "(?:19[7-9][0-9]|[2-9][0-9]{3})"
#define REQUEST_YEARS      "(?:197[1-9]|19[89][0-9]|[2-8][0-9]{3}|9[0-8][0-9]{2}|99[0-8][0-9]|999[0-8])"
#define EXACT_TIME_PATTERN "^" DATE(YEARS) "T" TIME_OF_DAY "\\.[0-9]{3}Z$(?!\\n)"
#define REQUEST_TIME_PATTERN                                                                       \
    "^" DATE(REQUEST_YEARS) "[Tt]" TIME_OF_DAY "(?:\\.[0-9]+)?" OFFSET "$(?!\\n)"

struct schema {
    json_t *defs; /* the parts met so far, by name */
    bool closed;
    enum time_form times;
};

static json_t *object_schema(struct schema *s, const struct shape *shape);

/* "#/$defs/impact", whose definition is added when it is new. */
static json_t *part_schema(struct schema *s, const struct shape *part)
{
    if (!json_object_get(s->defs, part->name)) {
        json_object_set_new(s->defs, part->name,
                            json_object()); /* its place, before its own parts' */
        json_object_set_new(s->defs, part->name, object_schema(s, part));
    }
    return json_pack("{s:o}", "$ref", json_sprintf("#/$defs/%s", part->name));
}

static json_t *enum_schema(const struct enum_table *table)
{
    json_t *texts = json_array();

    for (size_t i = 0; i < table->n; i++)
        json_array_append_new(texts, json_string(table->values[i].text));
    return json_pack("{s:s, s:o}", "type", "string", "enum", texts);
}

/* One value, or one item of an array. */
static json_t *value_schema(struct schema *s, const struct field *f)
{
    switch (f->type) {
    case FIELD_TEXT:
    case FIELD_TEXTS:
        return json_pack("{s:s, s:I, s:I}", "type", "string", "minLength", (json_int_t)f->min,
                         "maxLength", (json_int_t)f->max);
    case FIELD_ID:
    case FIELD_IDS:
        return json_pack("{s:s, s:s}", "type", "string", "pattern", ID_PATTERN);
    case FIELD_TIME:
        return json_pack("{s:s, s:s, s:s}", "type", "string", "format", "date-time", "pattern",
                         s->times == TIME_EXACT ? EXACT_TIME_PATTERN : REQUEST_TIME_PATTERN);
    case FIELD_INT:
    case FIELD_INTS:
        return json_pack("{s:s, s:I, s:I}", "type", "integer", "minimum", (json_int_t)f->min,
                         "maximum", (json_int_t)f->max);
    case FIELD_BOOL:
        return json_pack("{s:s}", "type", "boolean");
    case FIELD_ENUM:
    case FIELD_ENUMS:
        return enum_schema(f->values);
    case FIELD_OBJECT:
    case FIELD_LIST:
        return part_schema(s, f->part);
    case FIELD_JSON:
        return json_pack("{s:s}", "type", "object");
    }
    return NULL;
}

/* An optional field may be null, which is the same as absent. */
static json_t *or_null(json_t *schema)
{
    const char *type = json_string_value(json_object_get(schema, "type"));
    json_t *values = json_object_get(schema, "enum");

    if (!type)
        return json_pack("{s:[o, {s:s}]}", "anyOf", schema, "type", "null");
    json_object_set_new(schema, "type", json_pack("[s, s]", type, "null"));
    if (values)
        json_array_append_new(values, json_null());
    return schema;
}

/* The help, and the names of the values in Chinese. */
static json_t *description(const struct field *f)
{
    AUTO(buf_done) struct buf text;

    buf_init(&text, 4096);
    buf_str(&text, f->help);
    for (size_t i = 0; f->values && i < f->values->n; i++)
        buf_printf(&text, "%s%s %s", i ? ", " : ": ", f->values->values[i].text,
                   f->values->values[i].zh);
    return json_string(buf_text(&text));
}

static json_t *field_schema(struct schema *s, const struct field *f)
{
    json_t *schema = value_schema(s, f);

    if (shape_is_array(f)) {
        schema = json_pack("{s:s, s:I, s:o}", "type", "array", "maxItems", (json_int_t)f->items_max,
                           "items", schema);
        if (f->type == FIELD_ENUMS)
            json_object_set_new(schema, "uniqueItems", json_true());
    }
    if (!f->required)
        schema = or_null(schema);
    json_object_set_new(schema, "description", description(f));
    return schema;
}

static json_t *object_schema(struct schema *s, const struct shape *shape)
{
    json_t *properties = json_object(), *required = json_array(), *schema;

    for (size_t i = 0; i < shape->n; i++) {
        json_object_set_new(properties, shape->fields[i].name, field_schema(s, &shape->fields[i]));
        if (shape->fields[i].required)
            json_array_append_new(required, json_string(shape->fields[i].name));
    }
    schema = json_pack("{s:s, s:o}", "type", "object", "properties", properties);
    if (json_array_size(required) > 0)
        json_object_set(schema, "required", required);
    json_decref(required);
    if (s->closed)
        json_object_set_new(schema, "additionalProperties", json_false());
    return schema;
}

json_t *shape_schema(const struct shape *shape, bool closed, enum time_form times)
{
    struct schema s = {.defs = json_object(), .closed = closed, .times = times};
    json_t *schema = object_schema(&s, shape);

    if (json_object_size(s.defs) > 0)
        json_object_set(schema, "$defs", s.defs);
    json_decref(s.defs);
    return schema;
}
