/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The answer of GET /containers/json of a docker-compatible runtime -> containers with their pod
 * group: "<runtime>/Compose/<project>/<service>" or "<runtime>/Container/<name>/<name>". Names come
 * from whoever starts containers: what is not a plain name is escaped, an entry without a valid id
 * is left out and counted. GET /events, one JSON object per line, -> the containers its events
 * name, in the same form but without a digest and with repetitions. Thread: any. Ceilings:
 * RUNTIME_CONTAINERS entries, texts of 512 bytes.
 */
#include "common/base/err.h"
#include "common/base/slice.h"
#include <stddef.h>
#include <stdint.h>

#define RUNTIME_CONTAINERS 4096

struct runtime_container {
	char id[65];     /* 12 to 64 hexadecimal digits */
	char group[512]; /* pod group key */
	char name[128], image[512], digest[128];
};

struct runtime_list {
	struct runtime_container *items;
	size_t count;
	uint64_t refused; /* entries left out */
	uint64_t full;    /* entries there was no room for */
};

int runtime_json_parse(struct pw_slice text, const char *runtime, struct runtime_list **ret,
	struct pw_err *err) PW_MUST_CHECK;
/* An answer without any JSON object is refused; a bad line among others is left out and counted. */
int runtime_json_parse_events(struct pw_slice text, const char *runtime, struct runtime_list **ret,
	struct pw_err *err) PW_MUST_CHECK;
void runtime_list_free(struct runtime_list *l);
static inline void runtime_list_freep(struct runtime_list **l)
{
	runtime_list_free(*l);
}
/* Name of the engine out of GET /version: "podman" or "docker". */
const char *runtime_json_engine(struct pw_slice text);
