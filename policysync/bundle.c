// SPDX-License-Identifier: Apache-2.0
#include "policysync/bundle.h"
#include "common/base/clock.h"
#include "common/base/escape.h"
#include "policysync/bundle_dir.h"
#include "policysync/crd_json.h"
#include <errno.h>
#include <stdio.h>

#define PATH_BYTES 4096

struct bundle_part {
	struct bundle_dir *dir;   /* NULL in a cluster */
	struct bundle_kube *kube; /* NULL outside of one */
	struct bundle_sync *sync;
	char folder[PATH_BYTES], state_path[PATH_BYTES];
};

static int path_of(
	const char *state_dir, const char *name, char *out, size_t size, struct pw_err *err)
{
	if (snprintf(out, size, "%s/bundle%s", state_dir, name) < (int)size)
		return 0;
	return pw_err_set(err, -ENAMETOOLONG, "--state-dir: too long");
}

int bundle_objects_path(const char *state_dir, char *out, size_t size, struct pw_err *err)
{
	return path_of(state_dir, "/objects", out, size, err);
}

static int read_kinds(const char *text, struct bundle_caps *caps, struct pw_err *err)
{
	struct pw_slice rest = pw_slice_str(text), part;
	char shown[80];

	while (text && pw_slice_cut(&rest, ',', &part)) {
		bool is_known = false;

		part = pw_slice_trim(part);
		for (int kind = 0; kind < CRD_KINDS; kind++)
			is_known |= pw_slice_eq_str(part, crd_kind_name((enum crd_kind)kind));
		if (!is_known || caps->kind_count == BUNDLE_KINDS)
			return pw_err_set(err, -EINVAL,
				"--backend-allowed-kinds: \"%s\" is no kind",
				pw_escape_to(part, shown, sizeof(shown)));
		(void)snprintf(caps->kinds[caps->kind_count++], sizeof(caps->kinds[0]), "%.*s",
			PW_SLICE_ARG(part));
	}
	return 0;
}

/* It becomes a part of URLs. */
static int check_channel(const char *channel, struct pw_err *err)
{
	for (const char *c = channel; *c; c++)
		if (!((*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') || *c == '-'))
			return pw_err_set(
				err, -EINVAL, "--backend-channel: expected a-z, 0-9 and - only");
	return channel[0] && strlen(channel) < 64
		       ? 0
		       : pw_err_set(err, -EINVAL, "--backend-channel: expected 1 to 63 bytes");
}

static int check_settings(const struct bundle_settings *s, struct pw_err *err)
{
	struct pw_slice url = pw_slice_str(s->url);

	if ((!pw_slice_starts(url, PW_SLICE_LIT("http://")) &&
		    !pw_slice_starts(url, PW_SLICE_LIT("https://"))) ||
		url.len > 1000 || pw_slice_ends(url, PW_SLICE_LIT("/")))
		return pw_err_set(err, -EINVAL,
			"--backend-url: expected http(s)://… without a slash at its end");
	if (!s->keys)
		return pw_err_set(err, -EINVAL,
			"--backend-keys: is needed with --backend-url: unsigned bundles are never "
			"taken");
	if (!s->cert_file != !s->key_file)
		return pw_err_set(
			err, -EINVAL, "--backend-cert-file and --backend-key-file: both or none");
	return check_channel(s->channel, err);
}

static int fill(const struct bundle_config *c, struct bundle_part *b,
	struct bundle_sync_settings *ret, struct pw_err *err)
{
	const struct bundle_settings *s = c->settings;
	int r = check_settings(s, err);

	*ret = (struct bundle_sync_settings){
		.url = s->url,
		.channel = s->channel,
		.cluster = c->cluster,
		.header_file = s->header_file,
		.ca_file = s->ca_file,
		.cert_file = s->cert_file,
		.key_file = s->key_file,
		.poll_ms = s->poll_ns / PW_NS_PER_MS,
		.wait_s = (uint32_t)(s->wait_ns / PW_NS_PER_S),
		.timeout_ms = (uint32_t)(s->timeout_ns / PW_NS_PER_MS),
		.state_path = b->state_path,
		.target = b->kube ? bundle_kube_target(b->kube) : bundle_dir_target(b->dir),
		.on_told = c->on_told,
		.told_ctx = c->told_ctx,
		.metrics = c->metrics,
		.caps = {.audit_only = s->max_action == 0,
			.max_prune_percent = (uint32_t)s->max_prune},
	};
	if (r == 0)
		r = read_kinds(s->allowed_kinds, &ret->caps, err);
	return r < 0 ? r : bundle_keys_read(s->keys, s->threshold, &ret->keys, err);
}

static int build(struct bundle_part *b, const struct bundle_config *c, struct pw_err *err)
{
	struct bundle_sync_settings sync;
	int r = path_of(c->state_dir, "", b->folder, sizeof(b->folder), err);

	if (r == 0)
		r = path_of(c->state_dir, "/state.json", b->state_path, sizeof(b->state_path), err);
	if (r == 0)
		r = c->kube ? bundle_kube_new(c->kube, &b->kube, err)
			    : bundle_dir_new(b->folder, c->changed, c->ctx, &b->dir, err);
	if (r == 0)
		r = fill(c, b, &sync, err);
	return r < 0 ? r : bundle_sync_start(&sync, &b->sync, err);
}

int bundle_start(const struct bundle_config *config, struct bundle_part **ret, struct pw_err *err)
{
	struct bundle_part *b;
	int r;

	if (!config->settings->url)
		return 0;
	b = pw_alloc0(1, sizeof(*b));
	if (!b)
		return pw_err_set(err, -ENOMEM, "out of memory");
	r = build(b, config, err);
	if (r < 0) {
		bundle_stop(b);
		return r;
	}
	*ret = b;
	return 0;
}

void bundle_stop(struct bundle_part *b)
{
	if (!b)
		return;
	if (b->kube)
		bundle_kube_cancel(b->kube);
	bundle_sync_stop(b->sync);
	bundle_dir_free(b->dir);
	bundle_kube_free(b->kube);
	free(b);
}
