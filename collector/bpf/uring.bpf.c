// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Opens and connects that an io_uring does: no system call of their own, so they are seen when they
 * complete. The paths come from the opened object as always; a refused one has left no trace of its
 * path by then.
 * The tracepoint's arguments changed: (ring, request, user data, result …) up to 6.13, then (ring,
 * request, completion). Two programs for each, of which one attaches; before 5.19 there is no
 * request among them, so neither says anything.
 */
#include "collector/bpf/connect.h"
#include "collector/bpf/open.h"

#define OP_CONNECT 16
#define OP_OPENAT  18
#define OP_OPENAT2 28

static __always_inline bool uring_has_request(void)
{
	return bpf_core_field_exists(struct trace_event_raw_io_uring_complete, req);
}

static __always_inline int uring_open(struct io_kiocb *req, int32_t res)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	uint8_t op = BPF_CORE_READ(req, opcode);
	struct io_open *open = (void *)req; /* its first bytes are the operation's own */
	struct open_call call = {.ret = res, .dirfd = AT_FDCWD};

	if (op != OP_OPENAT && op != OP_OPENAT2)
		return 0;
	if ((res < 0 && res != ERR_PERM && res != ERR_ACCES) ||
		!scope_current(ABI_KIND_OPEN, &call.hit))
		return 0;
	emit_seen(ABI_KIND_OPEN);
	call.hit.flags |= ABI_FLAG_IO_URING;
	call.flags = BPF_CORE_READ(open, how.flags);
	if (res < 0 || BPF_CORE_READ(open, file_slot)) /* in the ring's own table: no descriptor */
		(void)open_user(&call, task, 0, CLASS_SMALL);
	else
		open_done(&call, task);
	return 0;
}

static __always_inline int uring_connect(struct io_kiocb *req, int32_t res)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct connect_call call = {.ret = res, .fd = -1};
	struct socket *socket;

	if (BPF_CORE_READ(req, opcode) != OP_CONNECT || !scope_current(ABI_KIND_CONNECT, &call.hit))
		return 0;
	call.hit.flags |= ABI_FLAG_IO_URING;
	socket = socket_of_file(BPF_CORE_READ(req, file));
	if (socket)
		connect_report(&call, task, socket);
	return 0;
}

SEC("raw_tp/io_uring_complete")
int uring_open_res(struct bpf_raw_tracepoint_args *ctx)
{
	return uring_has_request() ? uring_open((void *)ctx->args[1], ctx->args[3]) : 0;
}

SEC("raw_tp/io_uring_complete")
int uring_connect_res(struct bpf_raw_tracepoint_args *ctx)
{
	return uring_has_request() ? uring_connect((void *)ctx->args[1], ctx->args[3]) : 0;
}

SEC("raw_tp/io_uring_complete")
int uring_open_cqe(struct bpf_raw_tracepoint_args *ctx)
{
	struct io_uring_cqe *cqe = (void *)ctx->args[2];

	return uring_has_request() ? uring_open((void *)ctx->args[1], BPF_CORE_READ(cqe, res)) : 0;
}

SEC("raw_tp/io_uring_complete")
int uring_connect_cqe(struct bpf_raw_tracepoint_args *ctx)
{
	struct io_uring_cqe *cqe = (void *)ctx->args[2];

	return uring_has_request() ? uring_connect((void *)ctx->args[1], BPF_CORE_READ(cqe, res))
				   : 0;
}
