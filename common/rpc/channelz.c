/* SPDX-License-Identifier: Apache-2.0 */
#include "common/rpc/channelz.h"

#include <stdlib.h>
#include <grpc/grpc.h>
#include <grpc/support/alloc.h>

/* libgrpc gives JSON text, or NULL for an id that is gone. */
static void add(struct pw_buf *out, const char *name, char *json)
{
	(void)pw_buf_addf(out, "\"%s\":", name);
	(void)pw_buf_add_str(out, json ? json : "null");
	gpr_free(json);
}

void pw_channelz(struct pw_buf *out)
{
	grpc_init(); /* counts: the page may be asked for while a loop stops */
	(void)pw_buf_add_byte(out, '{');
	add(out, "servers", grpc_channelz_get_servers(0));
	(void)pw_buf_add_byte(out, ',');
	add(out, "channels", grpc_channelz_get_top_channels(0));
	(void)pw_buf_add_str(out, "}\n");
	grpc_shutdown();
}

int pw_channelz_page(void *ctx, struct pw_buf *body, const char **ret_content_type)
{
	(void)ctx;
	*ret_content_type = "application/json";
	pw_channelz(body);
	return pw_buf_error(body) ? 500 : 200;
}
