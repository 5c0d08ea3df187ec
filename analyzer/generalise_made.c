/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/generalise_made.h"

#include "common/base/hash.h"
#include "common/base/u64map.h"

#include <errno.h>

#define DIM(x)  ((uint32_t)PODWARD__V1__DIMENSION__DIMENSION_##x)
#define FLAG(x) ((uint32_t)PODWARD__V1__BEHAVIOUR_FLAG__BEHAVIOUR_FLAG_##x)
#define MADE    1u
#define GONE    2u

/* Hash of the path -> MADE, GONE. Two paths of one hash: a name is taken for a made one. */
struct generalise_made {
	struct pw_u64map *paths;
};

static uint32_t said_by(uint32_t dimension)
{
	if (dimension == DIM(FILE_CREATE) || dimension == DIM(FILE_LINK))
		return MADE;
	if (dimension == DIM(FILE_RENAME))
		return MADE | GONE;
	return dimension == DIM(FILE_DELETE) ? GONE : 0;
}

static int note(struct generalise_made *m, struct pw_slice path, uint32_t what)
{
	uint64_t hash = pw_hash64(path, 0), *at = pw_u64map_find(m->paths, hash);
	int r;

	if (at) {
		*at |= what;
		return 0;
	}
	r = pw_u64map_put(m->paths, hash, what);
	return r < 0 ? r : 0;
}

int generalise_made_new(const struct baseline *b, struct generalise_made **ret)
{
	struct generalise_made *m = pw_alloc0(1, sizeof(*m));
	uint32_t count = baseline_count(b);
	int r = m ? pw_u64map_new(count + 1, &m->paths) : -ENOMEM;

	for (uint32_t i = 0; r == 0 && i < count; i++) {
		const struct baseline_row *row = baseline_at(b, i);
		uint32_t what = said_by(row->dimension);

		if (what != 0 && (row->flags & (FLAG(CANDIDATE) | FLAG(REMOVED))) == 0)
			r = note(m, baseline_object(b, row), what);
	}
	if (r < 0) {
		generalise_made_free(m);
		return -ENOMEM;
	}
	*ret = m;
	return 0;
}

void generalise_made_free(struct generalise_made *m)
{
	if (!m)
		return;
	pw_u64map_free(m->paths);
	free(m);
}

static uint64_t said(const struct generalise_made *m, struct pw_slice path)
{
	const uint64_t *at = pw_u64map_find(m->paths, pw_hash64(path, 0));

	return at ? *at : 0;
}

bool generalise_made_is(const struct generalise_made *m, struct pw_slice path)
{
	return said(m, path) & MADE;
}

bool generalise_made_is_temporary(const struct generalise_made *m, struct pw_slice path)
{
	return said(m, path) == (MADE | GONE);
}
