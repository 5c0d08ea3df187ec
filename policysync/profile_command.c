// SPDX-License-Identifier: Apache-2.0
#include "policysync/profile_command.h"
#include "common/base/file.h"
#include "policysync/profile_whole.h"
#include "policysync/profile_yaml.h"
#include <errno.h>
#include <stdio.h>

#define ARENA_BYTES ((size_t)512 << 20)

struct session {
	struct store *store;
	struct profile_store *profiles;
	struct pw_arena *arena;
};

static void session_close(struct session *s)
{
	pw_arena_free(s->arena);
	profile_store_free(s->profiles);
	store_close(s->store);
}

static int session_open(const char *dir, struct session *s, struct pw_err *err)
{
	int r = store_open(dir, &s->store, err);

	if (r == 0)
		r = profile_store_new(s->store, &s->profiles, err);
	if (r == 0 && pw_arena_new(256 << 10, ARENA_BYTES, &s->arena) < 0)
		r = pw_err_set(err, -ENOMEM, "out of memory");
	return r;
}

static int export_from(
	struct session *s, struct pw_slice group, struct pw_buf *out, struct pw_err *err)
{
	Podward__V1__ProfileDelta whole;
	int r = profile_whole_read(s->profiles, group, s->arena, &whole, err);

	if (r == -ENOENT)
		return pw_err_set(err, r, "no profile of %.*s", PW_SLICE_ARG(group));
	return r < 0 ? r : profile_yaml_write(&whole, out, err);
}

int profile_command_export(
	const char *state_dir, const char *group, struct pw_buf *out, struct pw_err *err)
{
	struct session s = {.store = NULL};
	int r = session_open(state_dir, &s, err);

	if (r == 0)
		r = export_from(&s, pw_slice_str(group), out, err);
	session_close(&s);
	return r;
}

/* What the text says differs from what is known: it starts over after that. 1 = it does. */
static int raise_epoch(struct session *s, Podward__V1__ProfileDelta *whole, struct pw_err *err)
{
	struct pw_slice group = {whole->state->pod_group.data, whole->state->pod_group.len};
	Podward__V1__ProfileDelta known;
	pw_auto_buf here, there;
	int r = 0;

	pw_buf_init(&here, PROFILE_YAML_BYTES);
	pw_buf_init(&there, PROFILE_YAML_BYTES);
	r = profile_whole_read(s->profiles, group, s->arena, &known, err);
	if (r == -ENOENT)
		return 1;
	if (r == 0)
		r = profile_yaml_write(&known, &here, err);
	if (r == 0)
		r = profile_yaml_write(whole, &there, err);
	if (r < 0)
		return r;
	if (pw_slice_eq(pw_buf_slice(&here), pw_buf_slice(&there)))
		return 0;
	if (whole->state->epoch <= known.state->epoch)
		whole->state->epoch = known.state->epoch + 1;
	return 1;
}

static int import_into(struct session *s, struct pw_slice text, struct pw_err *err)
{
	Podward__V1__ProfileDelta *whole = NULL;
	int r = profile_yaml_read(text, s->arena, &whole, err);

	if (r == 0)
		r = raise_epoch(s, whole, err);
	if (r <= 0)
		return r;
	r = store_begin(s->store, err);
	if (r == 0)
		r = profile_whole_merge(s->profiles, whole, err);
	if (r == 0)
		r = store_commit(s->store, err);
	return r < 0 ? r : 1;
}

int profile_command_import(const char *state_dir, struct pw_slice text, struct pw_err *err)
{
	struct session s = {.store = NULL};
	int r = session_open(state_dir, &s, err);

	if (r == 0)
		r = import_into(&s, text, err);
	session_close(&s);
	return r;
}

int profile_command_show(const char *state_dir, const char *group, struct pw_err *err)
{
	pw_auto_buf out;
	int r;

	pw_buf_init(&out, PROFILE_YAML_BYTES);
	r = profile_command_export(state_dir, group, &out, err);
	if (r == 0 && fwrite(out.data, 1, out.len, stdout) != out.len)
		r = pw_err_set(err, -EIO, "standard output cannot be written");
	if (r == 0 && fflush(stdout) != 0)
		r = pw_err_set(err, -EIO, "standard output cannot be written");
	return r;
}

int profile_command_load(const char *state_dir, const char *file, struct pw_err *err)
{
	pw_auto_buf text;
	int r;

	pw_buf_init(&text, PROFILE_YAML_BYTES);
	r = pw_file_read("profile", file, &text, err);
	if (r == 0)
		r = profile_command_import(state_dir, pw_buf_slice(&text), err);
	if (r >= 0)
		(void)fprintf(stderr, "podward-policysync: %s\n",
			r > 0 ? "imported; restart the analyzers" : "this is known already");
	return r < 0 ? pw_err_wrap(err, r, "%s", file) : 0;
}
