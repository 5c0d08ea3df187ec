// SPDX-License-Identifier: Apache-2.0
#include "policysync/bundle_kube.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "policysync/bundle_dir.h"
#include "policysync/bundle_plan.h"
#include "policysync/crd_read.h"
#include "policysync/json_write.h"
#include "policysync/kube_health.h"
#include <errno.h>
#include <stdio.h>

#define STATE_BYTES ((size_t)64 << 10)

struct bundle_kube {
	struct bundle_kube_settings settings;
	struct pw_kube *kube;
	struct bundle_plan plan; /* between dry run and apply */
	/* What was applied last, with the generations that it got. */
	struct bundle_owned *kept;
	size_t kept_count;
	bool has_kept, knows;
};

static int dry_run(
	void *ctx, const struct bundle *bundle, const struct bundle_caps *caps, struct pw_err *err)
{
	struct bundle_kube *b = ctx;
	int r = bundle_check_objects(bundle, caps, err);

	bundle_plan_done(&b->plan);
	if (r == 0)
		r = bundle_plan_make(b->kube, bundle, &b->plan, err);
	return r < 0 ? r : bundle_plan_try(b->kube, &b->plan, err);
}

static void keep(struct bundle_kube *b)
{
	b->kept_count = 0;
	for (size_t i = 0; i < b->plan.count && b->kept_count < BUNDLE_OBJECTS; i++)
		if (b->plan.steps[i].wanted.len > 0)
			b->kept[b->kept_count++] = b->plan.steps[i].owned;
	b->has_kept = true;
}

static int apply(void *ctx, const struct bundle *bundle, struct pw_err *err)
{
	struct bundle_kube *b = ctx;
	int r;

	(void)bundle;
	b->settings.hold(b->settings.ctx, true);
	r = bundle_plan_run(b->kube, &b->plan, b->settings.leads, b->settings.ctx, err);
	b->settings.hold(b->settings.ctx, false);
	if (r == 0)
		keep(b);
	if (r == 0 && b->plan.users > 0)
		pw_log_info("bundle", "%zu objects are users' own and stay as they are: %s …",
			b->plan.users, b->plan.users_first);
	bundle_plan_done(&b->plan);
	return r;
}

/* --- what is known of the bundle in force */

static void read_word(const struct pw_json_reader *r, const char *key, char *out, size_t size)
{
	struct pw_slice text = pw_read_text(r, key, false, size - 1);

	(void)snprintf(out, size, "%.*s", PW_SLICE_ARG(text));
}

static int read_status(const struct pw_json *object, struct bundle_state *s, struct pw_err *err)
{
	const struct pw_json *status = pw_json_get(pw_json_get(object, "status"), "bundle");
	struct pw_json_reader r, next;
	struct pw_err own = PW_ERR_INIT;

	if (!status)
		return 0;
	pw_reader_init(&r, status, &own);
	s->serial = pw_read_int(&r, "serial", 0, INT64_MAX, 0);
	read_word(&r, "channel", s->channel, sizeof(s->channel));
	read_word(&r, "revision", s->revision, sizeof(s->revision));
	read_word(&r, "etag", s->etag, sizeof(s->etag));
	read_word(&r, "keySet", s->set_id, sizeof(s->set_id));
	s->expires_ns = crd_time(&r, "expiresAt");
	next = pw_reader_field(&r, "nextKeys");
	if (crd_is_object(&next, false)) {
		read_word(&next, "pem", s->next_keys, sizeof(s->next_keys));
		read_word(&next, "from", s->next_from, sizeof(s->next_from));
		s->next_threshold = (uint32_t)pw_read_int(&next, "threshold", 1, BUNDLE_KEYS, 1);
	}
	return own.code < 0
		       ? pw_err_set(err, own.code, "RuntimeProtection status.bundle: %s", own.msg)
		       : 0;
}

static int add_applied(void *ctx, const struct bundle_owned *o)
{
	struct bundle_manifest *m = ctx;

	if (m->object_count < BUNDLE_OBJECTS)
		m->objects[m->object_count++] = o->object;
	return 0;
}

static int load(void *ctx, struct bundle_state *ret, struct pw_err *err)
{
	struct bundle_kube *b = ctx;
	struct bundle_state s = {.serial = 0};
	struct pw_err own = PW_ERR_INIT;
	struct pw_json *object = NULL;
	int r = pw_kube_object(b->kube,
		&(struct pw_kube_call){.method = "GET", .path = KUBE_HEALTH_PATH}, &object, &own);

	if (r < 0 && r != -ENOENT)
		return pw_err_set(err, r, "%s", own.msg);
	r = object ? read_status(object, &s, err) : 0;
	pw_json_free(object);
	if (r < 0)
		return r;
	s.applied = pw_alloc0(1, sizeof(*s.applied));
	if (!s.applied)
		return pw_err_set(err, -ENOMEM, "out of memory");
	r = bundle_owned_each(b->kube, add_applied, s.applied, err);
	if (r < 0) {
		bundle_state_done(&s);
		return r;
	}
	b->knows = true;
	*ret = s;
	return 0;
}

/* Whole seconds, as it was signed. */
static void format_time(int64_t ns, char out[PW_WALL_TEXT_SIZE])
{
	pw_wall_format((struct pw_wall){ns}, out);
	(void)snprintf(out + 19, PW_WALL_TEXT_SIZE - 19, "Z");
}

/* null takes the member away. */
static void add_text(struct json_writer *w, const char *name, const char *text)
{
	if (text[0]) {
		json_text(w, name, text);
		return;
	}
	json_key(w, name);
	(void)pw_buf_add_str(w->out, "null");
}

static int write_state(const struct bundle_state *s, size_t objects, struct pw_buf *out)
{
	struct json_writer w = JSON_WRITER(out);
	char expires[PW_WALL_TEXT_SIZE];

	format_time(s->expires_ns, expires);
	json_open_object(&w, NULL);
	json_open_object(&w, "status");
	json_open_object(&w, "bundle");
	json_i64(&w, "serial", s->serial);
	json_text(&w, "channel", s->channel);
	add_text(&w, "revision", s->revision);
	add_text(&w, "etag", s->etag);
	json_text(&w, "keySet", s->set_id);
	json_text(&w, "expiresAt", expires);
	json_u64(&w, "objects", objects);
	if (s->next_keys[0]) {
		json_open_object(&w, "nextKeys");
		json_text(&w, "pem", s->next_keys);
		json_text(&w, "from", s->next_from);
		json_u64(&w, "threshold", s->next_threshold);
		json_close_object(&w);
	}
	json_close_object(&w);
	json_close_object(&w);
	json_close_object(&w);
	return pw_buf_error(out);
}

static int save(void *ctx, const struct bundle_state *next, struct pw_err *err)
{
	struct bundle_kube *b = ctx;
	pw_auto_buf body;
	int r;

	pw_buf_init(&body, STATE_BYTES);
	if (write_state(next, b->kept_count, &body) < 0)
		return pw_err_set(err, -ENOMEM, "out of memory");
	r = pw_kube_apply(b->kube, KUBE_HEALTH_PATH, PW_SLICE_LIT(KUBE_HEALTH_OBJECT), NULL, err);
	return r < 0 ? r
		     : pw_kube_merge(
			       b->kube, KUBE_HEALTH_PATH "/status", pw_buf_slice(&body), NULL, err);
}

/* --- whose turn it is */

struct comparing {
	const struct bundle_kube *b;
	size_t same;
	bool other;
};

static int compare(void *ctx, const struct bundle_owned *o)
{
	struct comparing *c = ctx;

	for (size_t i = 0; i < c->b->kept_count; i++) {
		const struct bundle_owned *k = &c->b->kept[i];

		if (strcmp(k->uid, o->uid) != 0)
			continue;
		if (k->generation != o->generation)
			break;
		c->same++;
		return 0;
	}
	c->other = true;
	return 0;
}

/* Of a server that does not answer nothing is known; what follows finds that out too. */
static bool was_changed(struct bundle_kube *b)
{
	struct comparing c = {.b = b};
	struct pw_err err = PW_ERR_INIT;

	if (bundle_owned_each(b->kube, compare, &c, &err) < 0)
		return false;
	return c.other || c.same != b->kept_count;
}

static enum bundle_turn turn(void *ctx)
{
	struct bundle_kube *b = ctx;

	if (!b->settings.leads(b->settings.ctx)) {
		b->knows = b->has_kept = false;
		return BUNDLE_TURN_WAIT;
	}
	if (!b->knows)
		return BUNDLE_TURN_AGAIN;
	if (!b->has_kept || !was_changed(b))
		return BUNDLE_TURN_GO;
	pw_log_info("bundle", "objects of the bundle were changed by others and are put back");
	return BUNDLE_TURN_AGAIN;
}

/* --- life */

int bundle_kube_new(
	const struct bundle_kube_settings *settings, struct bundle_kube **ret, struct pw_err *err)
{
	struct bundle_kube *b = pw_alloc0(1, sizeof(*b));
	int r;

	if (!b)
		return pw_err_set(err, -ENOMEM, "out of memory");
	b->settings = *settings;
	b->kept = pw_alloc0(BUNDLE_OBJECTS, sizeof(*b->kept));
	r = b->kept ? pw_kube_new(&settings->kube, &b->kube, err)
		    : pw_err_set(err, -ENOMEM, "out of memory");
	if (r < 0) {
		bundle_kube_free(b);
		return r;
	}
	*ret = b;
	return 0;
}

void bundle_kube_cancel(struct bundle_kube *b)
{
	pw_kube_cancel(b->kube);
}

void bundle_kube_free(struct bundle_kube *b)
{
	if (!b)
		return;
	bundle_plan_done(&b->plan);
	pw_kube_free(b->kube);
	free(b->kept);
	free(b);
}

struct bundle_target bundle_kube_target(struct bundle_kube *b)
{
	return (struct bundle_target){.dry_run = dry_run,
		.apply = apply,
		.load = load,
		.save = save,
		.turn = turn,
		.ctx = b};
}
