// SPDX-License-Identifier: Apache-2.0
#include "policysync/falco_private.h"
#include <errno.h>

static struct falco_rule *find(struct falco *f, struct pw_slice name)
{
	for (size_t i = 0; i < f->rule_count; i++)
		if (pw_slice_eq(f->rules[i].name, name))
			return &f->rules[i];
	return NULL;
}

static void warn_unknown_keys(struct falco *f, const struct pw_json *item)
{
	static const char *const known[] = {"rule", "condition", "output", "desc", "priority",
		"source", "enabled", "tags", "exceptions", "warn_evttypes",
		"skip-if-unknown-filter", "capture", "capture_duration", "append", "override"};
	const char *key;
	void *cursor = NULL;

	while (pw_json_next(item, &cursor, &key)) {
		size_t i = 0;

		while (i < PW_COUNT(known) && strcmp(known[i], key) != 0)
			i++;
		if (i == PW_COUNT(known))
			(void)falco_warn(f, "unknown key %.60s", key);
	}
}

/* A key that is set but not named in override: the author's wish is not known. */
static const char *key_without_way(const struct pw_json *item)
{
	static const char *const keys[] = {"condition", "output", "desc", "priority", "enabled",
		"tags", "exceptions", "warn_evttypes", "skip-if-unknown-filter", "capture",
		"capture_duration"};

	for (size_t i = 0; pw_json_get(item, "override") && i < PW_COUNT(keys); i++)
		if (pw_json_get(item, keys[i]) && falco_way(item, keys[i]) == FALCO_DEFINE)
			return keys[i];
	return NULL;
}

/* 0 or -ENOMEM. */
static int take_text(
	struct falco *f, const struct pw_json *item, const char *key, struct pw_slice *place)
{
	const struct pw_json *j = pw_json_get(item, key);
	struct pw_slice text = falco_text(f, j);

	if (!j)
		return 0;
	if (falco_way(item, key) == FALCO_APPEND)
		text = falco_join(f, *place, text);
	if (!text.ptr && text.len > 0)
		return -ENOMEM;
	*place = text;
	return 0;
}

/* 1 = taken, 0 = refused, -ENOMEM. */
static int take_rest(struct falco *f, const struct pw_json *item, struct falco_rule *r)
{
	const struct pw_json *tags = pw_json_get(item, "tags");
	const struct pw_json *exceptions = pw_json_get(item, "exceptions");

	if (tags && falco_way(item, "tags") != FALCO_APPEND)
		r->tag_count = 0;
	if (tags && r->tag_count < PW_COUNT(r->tags))
		r->tags[r->tag_count++] = tags;
	if (pw_json_get(item, "enabled"))
		r->enabled = pw_json_bool(pw_json_get(item, "enabled"));
	return exceptions ? falco_exceptions_take(f, r, exceptions, falco_way(item, "exceptions"))
			  : 1;
}

static int take_all(struct falco *f, const struct pw_json *item, struct falco_rule *r)
{
	int taken = take_text(f, item, "condition", &r->condition);

	if (taken == 0)
		taken = take_text(f, item, "output", &r->output);
	if (taken == 0)
		taken = take_text(f, item, "desc", &r->description);
	if (taken == 0)
		taken = take_text(f, item, "priority", &r->priority);
	return taken < 0 ? taken : take_rest(f, item, r);
}

static const char *missing_key(const struct pw_json *item)
{
	static const char *const keys[] = {"condition", "output", "desc", "priority"};

	for (size_t i = 0; i < PW_COUNT(keys); i++)
		if (!pw_json_get(item, keys[i]))
			return keys[i];
	return NULL;
}

static int define(struct falco *f, const struct pw_json *item, struct falco_rule *old)
{
	struct falco_rule made = {.name = f->name, .enabled = true, .line = f->line};
	struct pw_slice source = falco_text(f, pw_json_get(item, "source"));
	const char *missing = missing_key(item);
	int taken;

	if (source.len > 0 && !pw_slice_eq_str(source, "syscall"))
		return falco_refuse(f, "source %.*s: only system calls are watched",
			(int)(source.len < 40 ? source.len : 40), (const char *)source.ptr);
	if (missing)
		return falco_refuse(f, "%s is missing", missing);
	if (!old && f->rule_count == FALCO_RULES)
		return falco_refuse(f, "more than %u rules", FALCO_RULES);
	taken = take_all(f, item, &made);
	if (taken <= 0)
		return taken;
	if (old)
		*old = made;
	else
		f->rules[f->rule_count++] = made;
	return 0;
}

static bool only_enabled(const struct pw_json *item)
{
	return pw_json_size(item) == 2 && pw_json_get(item, "enabled");
}

int falco_rule_item(struct falco *f, const struct pw_json *item)
{
	struct falco_rule *old = find(f, f->name), changed;
	const char *key = key_without_way(item);
	int taken;

	warn_unknown_keys(f, item);
	if (!falco_is_change(item) && !only_enabled(item))
		return define(f, item, old);
	if (!old)
		return falco_refuse(f, "there is no earlier rule of this name to change");
	if (key)
		return falco_refuse(f, "%s is set, but override does not say how to take it", key);
	changed = *old;
	/* The old exceptions must stay as they were when the change is refused. */
	if (old->exceptions) {
		size_t bytes = FALCO_EXCEPTIONS * sizeof(*old->exceptions);

		changed.exceptions = pw_arena_alloc(f->arena, bytes);
		if (!changed.exceptions)
			return -ENOMEM;
		memcpy(changed.exceptions, old->exceptions, bytes);
	}
	taken = take_all(f, item, &changed);
	if (taken > 0)
		*old = changed;
	return taken < 0 ? taken : 0;
}
