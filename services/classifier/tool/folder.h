/*
 * folder - the JSON files of a policy's folder, as they are written: for what compares and counts; what decides is struct policy.
 *
 * Threads     One.
 * Errors      ERR_CONFIG: the file, and the place in it. ERR_FATAL: no memory.
 */
#ifndef SERVICES_CLASSIFIER_TOOL_FOLDER_H
#define SERVICES_CLASSIFIER_TOOL_FOLDER_H

#include "proto/shape.h"

/* Adds the documents of FOLDER/SUB/ *.json (SUB may be "": the folder itself) to the object `docs`, by their names below the folder and in the
 * order of these. A subfolder that is not there has none. */
bool folder_read(json_t *docs, const char *folder, const char *sub, size_t file_max_bytes,
                 struct err *err) MUST_CHECK;

#endif
