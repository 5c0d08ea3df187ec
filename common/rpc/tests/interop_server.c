/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server for foreign clients (integration/grpc-js): health, and CollectService/Stream that
 * answers a hello with a welcome. Prints its port on the first line and ends when its input ends.
 */
#include <stdio.h>
#include <unistd.h>

#include "common/rpc/loop.h"
#include "common/rpc/server.h"
#include "podward/v1/collect.pb-c.h"

static void on_message(struct pw_call *call, const ProtobufCMessage *msg)
{
	const Podward__V1__CollectRequest *request = (const Podward__V1__CollectRequest *)msg;
	Podward__V1__CollectWelcome welcome = PODWARD__V1__COLLECT_WELCOME__INIT;
	Podward__V1__CollectReply reply = PODWARD__V1__COLLECT_REPLY__INIT;

	if (request->message_case != PODWARD__V1__COLLECT_REQUEST__MESSAGE_HELLO) {
		pw_call_finish(
			call, PW_RPC_FAILED_PRECONDITION, "the first message must be a hello");
		return;
	}
	welcome.instance = request->hello->instance;
	reply.message_case = PODWARD__V1__COLLECT_REPLY__MESSAGE_WELCOME;
	reply.welcome = &welcome;
	if (pw_call_send(call, &reply.base) < 0)
		pw_call_finish(call, PW_RPC_INTERNAL, "cannot answer");
	else
		pw_call_next(call);
}

int main(void)
{
	static const char *const address = "127.0.0.1:0";
	static const struct pw_method methods[] = {{
		.service = &podward__v1__collect_service__descriptor,
		.name = "Stream",
		.on_message = on_message,
	}};
	struct pw_rpc_loop *loop = NULL;
	struct pw_server *server = NULL;
	struct pw_err err = PW_ERR_INIT;
	char byte;

	if (pw_rpc_loop_start("interop", &loop, &err) < 0 ||
		pw_server_start(&(struct pw_server_config){.loop = loop,
					.addresses = &address,
					.address_count = 1,
					.methods = methods,
					.method_count = 1},
			&server, &err) < 0) {
		(void)fprintf(stderr, "interop_server: %s\n", err.msg);
		pw_rpc_loop_stop(loop);
		return 1;
	}
	(void)printf("%u\n", pw_server_port(server));
	(void)fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	pw_server_stop(server, 0);
	pw_rpc_loop_stop(loop);
	return 0;
}
