// SPDX-License-Identifier: Apache-2.0
/* The answers of a container runtime, which names whatever people name containers. */
#include "policysync/runtime_json.h"
#include "common/base/escape.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_container(const struct runtime_container *c)
{
	struct pw_slice group = pw_slice_str(c->group), part;
	size_t parts = 0;

	pw_assert(strlen(c->id) >= 12 && strlen(c->id) <= 64);
	pw_assert(c->name[0] != '\0');
	while (pw_slice_cut(&group, '/', &part)) {
		pw_assert(part.len > 0);
		parts++;
	}
	pw_assert(parts == 4);
}

/* What a parser gave, or why it gave nothing. */
static void check_result(int r, struct runtime_list *list, const struct pw_err *err)
{
	if (r < 0) {
		pw_assert(list == NULL && err->msg[0] != '\0');
		return;
	}
	pw_assert(list->count <= RUNTIME_CONTAINERS);
	for (size_t i = 0; i < list->count; i++)
		check_container(&list->items[i]);
	runtime_list_free(list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pw_slice text = pw_slice_of(data, size);
	struct pw_err err = PW_ERR_INIT, events_err = PW_ERR_INIT;
	struct runtime_list *list = NULL, *events = NULL;
	const char *engine = runtime_json_engine(text);
	int r;

	pw_assert(strcmp(engine, "docker") == 0 || strcmp(engine, "podman") == 0);
	r = runtime_json_parse(text, engine, &list, &err);
	check_result(r, list, &err);
	r = runtime_json_parse_events(text, engine, &events, &events_err);
	check_result(r, events, &events_err);
	return 0;
}
