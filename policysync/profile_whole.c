// SPDX-License-Identifier: Apache-2.0
#include "policysync/profile_whole.h"
#include "policysync/report.h"
#include <errno.h>

int profile_whole_read(struct profile_store *store, struct pw_slice group, struct pw_arena *a,
	Podward__V1__ProfileDelta *ret, struct pw_err *err)
{
	const ProtobufCBinaryData name = {group.len, (uint8_t *)(uintptr_t)group.ptr};
	const struct profile_filter filter = {.groups = &name, .count = 1};
	struct profile_cursor cursor = {0};
	Podward__V1__ProfileDelta *page = NULL;
	int r;

	podward__v1__profile_delta__init(ret);
	ret->behaviours = pw_arena_alloc(a, PROFILE_ENTRIES * sizeof(*ret->behaviours));
	if (!ret->behaviours)
		return pw_err_set(err, -ENOMEM, "out of memory");
	while ((r = profile_store_read(store, &cursor, &filter, a, &page, err)) == 1) {
		ret->state = page->state;
		for (size_t i = 0; i < page->n_behaviours && ret->n_behaviours < PROFILE_ENTRIES;
			i++)
			ret->behaviours[ret->n_behaviours++] = page->behaviours[i];
	}
	return r < 0 ? r : ret->state ? 0 : -ENOENT;
}

int profile_whole_merge(
	struct profile_store *store, const Podward__V1__ProfileDelta *whole, struct pw_err *err)
{
	size_t at = 0;
	int r;

	do {
		Podward__V1__ProfileDelta part = PODWARD__V1__PROFILE_DELTA__INIT, *list = &part;
		Podward__V1__ReportItems items = PODWARD__V1__REPORT_ITEMS__INIT;

		part.state = whole->state;
		part.behaviours = whole->behaviours + at;
		part.n_behaviours = whole->n_behaviours - at < PROFILE_PAGE_ROWS
					    ? whole->n_behaviours - at
					    : PROFILE_PAGE_ROWS;
		items.seq = 1;
		items.profiles = &list;
		items.n_profiles = 1;
		r = report_check_items(&items, err);
		if (r == 0)
			r = profile_store_merge(store, &part, err);
		at += part.n_behaviours;
	} while (r == 0 && at < whole->n_behaviours);
	return r;
}
