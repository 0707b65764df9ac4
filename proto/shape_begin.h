/*
 * shape_begin, shape_end - bracket the field rows of one shape in a .def file:
 *
 *     #define SHAPE impact
 *     #include "proto/shape_begin.h"
 *     F_INT(outage_minutes, OPT, 0, 5256000, "how long …")
 *     #include "proto/shape_end.h"
 *
 * After shape_members.h this is `struct impact`; after shape_rows.h it is `const struct shape impact_shape`.
 */
// clang-format off
#define SHAPE_PASTE_(a, b) a##b
#define SHAPE_NAMED_(a, b) SHAPE_PASTE_(a, b)
#define SHAPE_QUOTE_(a) #a
#define SHAPE_TEXT_(a) SHAPE_QUOTE_(a)
#ifdef SHAPES_AS_STRUCTS
struct SHAPE {
#else
static const struct field SHAPE_NAMED_(SHAPE, _fields)[] = {
#endif
