/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * How grave a behaviour is that the baseline does not know: by its dimension, then by the
 * circumstances. Thread: any.
 */
#include "analyzer/baseline.h"

struct verdict {
	const struct behaviour *what;
	enum baseline_answer answer;
	uint32_t process_flags; /* ProcessFlag of the actor */
	bool sensitive;         /* object that is never generalised */
	bool odd_one_out;       /* several containers run, this is the first that did it */
	bool partial;           /* the baseline is known to have holes */
};

uint32_t verdict_severity(const struct verdict *v); /* Severity */
