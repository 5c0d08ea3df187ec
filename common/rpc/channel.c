/* SPDX-License-Identifier: Apache-2.0 */
#include "common/rpc/channel_core.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <grpc/slice.h>

#include "common/base/escape.h"
#include "common/base/num.h"
#include "common/rpc/credentials.h"
#include "common/rpc/message.h"
#include "common/rpc/security.h"
#include "common/rpc/settings.h"

static void channel_drop_core(struct pw_channel *c)
{
	if (c->core)
		grpc_channel_destroy(c->core);
	c->core = NULL;
}

static void channel_on_cancel(struct pw_rpc_object *o)
{
	(void)o; /* the calls are objects of their own */
}

static void channel_on_detach(struct pw_rpc_object *o)
{
	struct pw_channel *c = PW_CONTAINER_OF(o, struct pw_channel, object);

	channel_drop_core(c);
	c->loop = NULL;
}

static bool target_is_host_port(const char *target)
{
	struct pw_slice s = pw_slice_str(target);
	ptrdiff_t colon = pw_slice_rfind_byte(s, ':');
	uint64_t port;

	return colon > 0 &&
	       pw_num_u64(pw_slice_sub(s, (size_t)colon + 1, s.len), 65535, &port) == 0 &&
	       port > 0 && pw_slice_find_byte(s, '/') < 0;
}

/* Only these forms: gRPC knows more schemes (xds:, ipv4: lists), none of which we want by accident.
 */
static char *target_uri(const char *target)
{
	struct pw_slice s = pw_slice_str(target);
	size_t size = s.len + sizeof("dns:///");
	bool is_local = (pw_slice_starts(s, PW_SLICE_LIT("unix:")) && s.len > 5) ||
			(pw_slice_starts(s, PW_SLICE_LIT("unix-abstract:")) && s.len > 14);
	char *uri = pw_alloc0(1, size);

	if (uri)
		(void)snprintf(uri, size, "%s%s", is_local ? "" : "dns:///", target);
	return uri;
}

static bool target_is_valid(const char *target)
{
	return strncmp(target, "unix:/", 6) == 0 || strncmp(target, "unix-abstract:", 14) == 0 ||
	       target_is_host_port(target);
}

static void channel_make_core(struct pw_channel *c, const struct pw_tls_bundle *b)
{
	struct pw_rpc_args args;
	grpc_channel_credentials *credentials;

	credentials = b ? pw_credentials_tls_client(c->tls, b, c->role, c->name)
			: pw_credentials_plain_client();
	c->tls_version = b ? b->version : 0;
	pw_rpc_args_client(&args, PW_RPC_MESSAGE_MAX);
	if (credentials)
		c->core = grpc_channel_create(c->target, credentials, &args.args);
	else /* without memory for them the call fails, and the next one tries again */
		c->core = grpc_lame_client_channel_create(
			c->target, GRPC_STATUS_UNAVAILABLE, "out of memory");
	if (credentials)
		grpc_channel_credentials_release(credentials);
	c->generation++;
}

/* Looks for new certificates first. */
static void channel_prepare(struct pw_channel *c)
{
	struct pw_tls_bundle *b = c->tls ? pw_tls_get(c->tls) : NULL;

	if (c->core && b && b->version != c->tls_version)
		channel_drop_core(c);
	if (!c->core)
		channel_make_core(c, b);
	pw_tls_put(b);
}

static void channel_attach(void *ctx)
{
	struct pw_channel *c = ctx;

	pw_rpc_loop_add(c->loop, &c->object);
}

static void channel_free_parts(struct pw_channel *c)
{
	free(c->target);
	free(c->name);
	free(c);
}

int pw_channel_new(
	const struct pw_channel_config *config, struct pw_channel **ret, struct pw_err *err)
{
	const char *target = config->target;
	struct pw_channel *c;
	char text[120];
	int r;

	if (!target_is_valid(target))
		return pw_err_set(err, -EINVAL, "target \"%s\": neither host:port nor unix:/path",
			pw_escape_to(pw_slice_str(target), text, sizeof(text)));
	c = pw_alloc0(1, sizeof(*c));
	if (!c)
		return pw_err_set(err, -ENOMEM, "channel");
	*c = (struct pw_channel){
		.object = {.on_cancel = channel_on_cancel, .on_detach = channel_on_detach},
		.loop = config->loop,
		.target = target_uri(target),
		.tls = pw_address_is_unix(target) ? NULL : config->tls,
		.role = config->role,
		.name = pw_strdup(config->name ? config->name : ""),
		.refs = 1,
	};
	r = c->target && c->name ? pw_rpc_loop_run(c->loop, channel_attach, c) : -ENOMEM;
	if (r < 0) {
		channel_free_parts(c);
		return pw_err_set(err, r, "channel to %s: %s", target, pw_err_text(r));
	}
	*ret = c;
	return 0;
}

static void channel_release(void *ctx)
{
	pw_channel_unref(ctx);
}

void pw_channel_free(struct pw_channel *c)
{
	/* Fails only while another thread stops the loop, which the header forbids. */
	if (c)
		pw_assert(pw_rpc_loop_run(c->loop, channel_release, c) == 0);
}

struct pw_channel *pw_channel_ref(struct pw_channel *c)
{
	c->refs++;
	return c;
}

void pw_channel_unref(struct pw_channel *c)
{
	if (!c || --c->refs > 0)
		return;
	pw_rpc_loop_remove(&c->object);
	channel_drop_core(c);
	channel_free_parts(c);
}

grpc_call *pw_channel_call(
	struct pw_channel *c, const char *path, gpr_timespec deadline, uint64_t *ret_generation)
{
	grpc_slice method = grpc_slice_from_copied_string(path);
	grpc_call *call;

	channel_prepare(c);
	call = grpc_channel_create_call(
		c->core, NULL, GRPC_PROPAGATE_DEFAULTS, c->loop->cq, method, NULL, deadline, NULL);
	grpc_slice_unref(method);
	*ret_generation = c->generation;
	return call;
}

/* Calls that still run keep the old one alive below. */
void pw_channel_on_end(struct pw_channel *c, uint64_t generation, int status)
{
	if (status == PW_RPC_UNAVAILABLE && generation == c->generation)
		channel_drop_core(c);
}
