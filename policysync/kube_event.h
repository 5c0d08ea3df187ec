/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One Event (core/v1) as the API server wants it: what "kubectl describe" shows below an object.
 * The server forgets events after an hour; they are a hint for people and never the record. Thread:
 * any. Ceilings: message 1,023 bytes (what the server takes; longer ones are cut).
 */
#include "common/base/buf.h"
#include <stdint.h>

struct kube_event {
	const char *name, *namespace; /* of the event itself */
	/* Of the object that it speaks of; object_namespace "" = of no namespace. */
	const char *api_version, *kind, *object_namespace, *object, *uid;
	const char *reason; /* one word */
	struct pw_slice message;
	bool is_warning;
	uint32_t count;
	int64_t first_ns, last_ns; /* wall */
};

int kube_event_write(const struct kube_event *e, struct pw_buf *out) PW_MUST_CHECK;
