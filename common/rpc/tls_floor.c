/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS 1.3 as the floor of every gRPC connection. Core 1.51 can be told so only from C++, and with a
 * certificate fetcher not at all: it sets 1.2 itself. Programs export this SSL_CTX_ctrl, so libgrpc
 * calls it instead of libssl's; other libraries (an HTTP client that must talk to older receivers)
 * are passed through unchanged. Linked like accept_guard.c.
 */
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <grpc/grpc.h>
#include <openssl/ssl.h>

typedef long ctrl_fn(SSL_CTX *ctx, int cmd, long value, void *pointer);

/* Looked up once; twice by two threads at the same time gives the same. */
static _Atomic(ctrl_fn *) ctrl_next;

static ctrl_fn *find_next(void)
{
	ctrl_fn *fn = atomic_load_explicit(&ctrl_next, memory_order_relaxed);
	void *symbol;

	if (fn)
		return fn;
	symbol = dlsym(RTLD_NEXT, "SSL_CTX_ctrl");
	memcpy(&fn, &symbol, sizeof(fn)); /* ISO C has no cast from object to function pointer */
	atomic_store_explicit(&ctrl_next, fn, memory_order_relaxed);
	return fn;
}

static bool is_in_grpc(const void *address)
{
	void (*init)(void) = grpc_init;
	void *grpc = NULL;
	Dl_info caller, library;

	memcpy(&grpc, &init, sizeof(grpc));
	return dladdr(address, &caller) && dladdr(grpc, &library) &&
	       caller.dli_fbase == library.dli_fbase;
}

__attribute__((visibility("default"))) long SSL_CTX_ctrl(
	SSL_CTX *ctx, int cmd, long value, void *pointer)
{
	ctrl_fn *next = find_next();

	if (!next)
		return 0;
	if (cmd == SSL_CTRL_SET_MIN_PROTO_VERSION && value < TLS1_3_VERSION &&
		is_in_grpc(__builtin_return_address(0)))
		value = TLS1_3_VERSION;
	return next(ctx, cmd, value, pointer);
}
