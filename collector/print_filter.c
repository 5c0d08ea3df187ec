/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/print_filter.h"

#include "common/base/escape.h"
#include "common/base/glob.h"
#include "common/base/num.h"

#include <errno.h>

_Static_assert(EVENT_TYPES <= 64, "kinds are bits of a word");

static int parse_list(
	struct print_filter_list *list, const char *flag, const char *text, struct pw_err *err)
{
	struct pw_slice rest = pw_slice_str(text), word = {0};

	while (text && pw_slice_cut(&rest, ',', &word)) {
		word = pw_slice_trim(word);
		if (word.len == 0)
			return pw_err_set(err, -EINVAL, "--%s: an empty word in the list", flag);
		if (list->count == PRINT_FILTER_WORDS)
			return pw_err_set(
				err, -E2BIG, "--%s: more than %u words", flag, PRINT_FILTER_WORDS);
		list->words[list->count++] = word;
	}
	return 0;
}

static enum event_type type_of(struct pw_slice word)
{
	for (unsigned i = 1; i < EVENT_TYPES; i++)
		if (pw_slice_eq_str(word, event_type_name((enum event_type)i)))
			return (enum event_type)i;
	return EVENT_NONE;
}

static int parse_kinds(uint64_t *kinds, const char *text, struct pw_err *err)
{
	struct print_filter_list list = {0};
	int r = parse_list(&list, "print-kinds", text, err);

	for (unsigned i = 0; r == 0 && i < list.count; i++) {
		enum event_type type = type_of(list.words[i]);
		char shown[80];

		if (type == EVENT_NONE)
			return pw_err_set(err, -EINVAL,
				"--print-kinds: unknown kind \"%s\" (docs/events.md has them)",
				pw_escape_to(list.words[i], shown, sizeof(shown)));
		*kinds |= 1ull << type;
	}
	return r;
}

int print_filter_init(struct print_filter *f, const char *containers, const char *kinds,
	const char *processes, struct pw_err *err)
{
	int r = 0;

	*f = (struct print_filter){0};
	r = parse_list(&f->containers, "print-containers", containers, err);
	if (r == 0)
		r = parse_list(&f->processes, "print-processes", processes, err);
	return r < 0 ? r : parse_kinds(&f->kinds, kinds, err);
}

static bool container_fits(const struct container *c, struct pw_slice word)
{
	if (!c)
		return pw_slice_eq_str(word, "host");
	return pw_slice_starts(c->id, word) || pw_glob(word, c->pod_group) ||
	       pw_glob(word, c->pod_name) || pw_glob(word, c->name);
}

static bool process_fits(const struct image *i, struct pw_slice word)
{
	uint64_t pid = 0;

	if (pw_num_u64(word, UINT32_MAX, &pid) == 0)
		return pid == i->pid;
	return pw_glob(word, i->program->exe) || pw_glob(word, i->program->comm);
}

bool print_filter_passes(const struct print_filter *f, const struct pipeline_view *v)
{
	bool fits = f->containers.count == 0;

	if (f->kinds && !(f->kinds & 1ull << v->event->type))
		return false;
	for (unsigned i = 0; !fits && i < f->containers.count; i++)
		fits = container_fits(v->image->container, f->containers.words[i]);
	if (!fits || f->processes.count == 0)
		return fits;
	fits = false;
	for (unsigned i = 0; !fits && i < f->processes.count; i++)
		fits = process_fits(v->image, f->processes.words[i]);
	return fits;
}
