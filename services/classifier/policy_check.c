/* Checks a condition against the shapes of what it will be asked about. What it refuses could never be true. */
#include <string.h>

#include "services/classifier/policy.h"

static const struct field *find_field(const struct shape *shape, const char *name, size_t len)
{
    for (size_t i = 0; i < shape->n; i++)
        if (strlen(shape->fields[i].name) == len && memcmp(shape->fields[i].name, name, len) == 0)
            return &shape->fields[i];
    return NULL;
}

/* The field that "/impact/outage_minutes" leads to; NULL: none. */
static const struct field *field_at(const struct shape *shape, const char *pointer)
{
    const struct field *field = NULL;

    while (*pointer == '/' && shape) {
        const char *name = pointer + 1;
        size_t len = strcspn(name, "/");

        field = find_field(shape, name, len);
        if (!field)
            return NULL;
        shape = field->type == FIELD_OBJECT ? field->part : NULL;
        pointer = name + len;
    }
    return *pointer == '\0' ? field : NULL;
}

static bool value_fits(const struct field *field, const json_t *value)
{
    int unused;

    switch (field->type) {
    case FIELD_INT:
    case FIELD_INTS:
        return json_is_number(value);
    case FIELD_BOOL:
        return json_is_boolean(value);
    case FIELD_ENUM:
    case FIELD_ENUMS:
        return json_is_string(value) &&
               enum_parse(field->values, json_string_value(value), &unused);
    case FIELD_TEXT:
    case FIELD_TEXTS:
    case FIELD_ID:
    case FIELD_IDS:
        return json_is_string(value);
    case FIELD_TIME:
    case FIELD_OBJECT:
    case FIELD_LIST:
    case FIELD_JSON:
        break;
    }
    return false;
}

static bool values_fit(const struct field *field, const char *name, json_t *value)
{
    json_t *item;
    size_t i;

    if (strcmp(name, "exists") == 0)
        return true;
    if (strcmp(name, "matches") == 0)
        return field->type == FIELD_TEXT || field->type == FIELD_TEXTS;
    if (!json_is_array(value))
        return value_fits(field, value);
    json_array_foreach(value, i, item) if (!value_fits(field, item)) return false;
    return true;
}

static bool check_words(const struct words *words, json_t *comparison, const char *list,
                        struct err *err)
{
    size_t unused;

    if (!words_find(words, list, &unused))
        return err_set(err, ERR_CONFIG, "/words/%s: words.json has no such list", list);
    if (!json_object_get(comparison, "exists"))
        return err_set(err, ERR_CONFIG, "/words/%s: only {\"exists\": true} or false fits a list",
                       list);
    return true;
}

static bool check_said(const struct figures *figures, json_t *comparison, const char *name,
                       struct err *err)
{
    static const char *const legal[] = {"lt", "le", "gt", "ge", "exists"};

    if (!figures_known(figures, name))
        return err_set(err, ERR_CONFIG, "/said/%s: figures.json has no such figure", name);
    for (size_t i = 0; i < ARRAY_LEN(legal); i++)
        if (json_object_get(comparison, legal[i]))
            return true;
    return err_set(err, ERR_CONFIG, "/said/%s: a range fits lt, le, gt, ge and exists only", name);
}

static bool check_comparison(const struct policy *policy, json_t *comparison, struct err *err)
{
    const char *pointer = json_string_value(json_object_get(comparison, "at")), *name;
    const struct field *field = NULL;
    json_t *value;

    if (strncmp(pointer, "/words/", 7) == 0)
        return check_words(policy->words, comparison, pointer + 7, err);
    if (strncmp(pointer, "/said/", 6) == 0)
        return check_said(policy->figures, comparison, pointer + 6, err);
    if (strncmp(pointer, "/facts/", 7) == 0)
        field = field_at(&facts_shape, pointer + 6);
    else if (strncmp(pointer, "/profile/", 9) == 0)
        field = field_at(&profile_shape, pointer + 8);
    if (!field)
        return err_set(err, ERR_CONFIG,
                       "%s: no such field; legal are the fields of /facts (proto/facts.def), of "
                       "/profile (proto/parts.def), the lists of /words (words.json) and the "
                       "figures of /said (figures.json)",
                       pointer);
    json_object_foreach(
        comparison, name,
        value) if (strcmp(name, "at") != 0 &&
                   !values_fit(
                       field, name,
                       value)) return err_set(err, ERR_CONFIG,
                                              "%s: \"%s\": this field never has such a value",
                                              pointer, name);
    return true;
}

/* The expression has been compiled, so its form is right and its depth bounded. */
bool policy_check_expression(const struct policy *policy, json_t *expression, struct err *err)
{
    static const char *const combinators[] = {"all", "any"};
    json_t *children, *child;
    size_t i;

    if (json_object_get(expression, "at"))
        return check_comparison(policy, expression, err);
    if (json_object_get(expression, "not"))
        return policy_check_expression(policy, json_object_get(expression, "not"), err);
    for (size_t c = 0; c < ARRAY_LEN(combinators); c++) {
        children = json_object_get(expression, combinators[c]);
        json_array_foreach(children, i,
                           child) if (!policy_check_expression(policy, child, err)) return false;
    }
    return true;
}
