/*
 * train - makes the text model (services/classifier/model.h) out of labelled texts, with liblinear: L2-regularised logistic regression, each category
 * against the others. The same texts in the same order give the same model.
 *
 * Texts       FOLDER/texts/ *.jsonl: {"text": …, "category": …, …} a line; other members do not count.
 * Threads     One. Bounds: TRAIN_TEXTS_MAX texts.
 * Errors      ERR_CONFIG naming file and line.
 */
#ifndef SERVICES_CLASSIFIER_TOOL_TRAIN_H
#define SERVICES_CLASSIFIER_TOOL_TRAIN_H

#include <stdio.h>

#include "services/classifier/policy.h"

#define TRAIN_TEXTS_MAX ((size_t)200000)

/* Writes FOLDER/model.bin from all texts of the folder. */
bool train_write(const struct policy *policy, const char *folder, FILE *out,
                 struct err *err) MUST_CHECK;

/* For each file: trains on the others, and says how often its texts are read rightly. Writes nothing. */
bool train_test(const struct policy *policy, const char *folder, FILE *out,
                struct err *err) MUST_CHECK;

#endif
