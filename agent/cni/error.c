/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Errors of the CNI plugin: how they are filled, and which CNI code an errno of the daemon or of
 * the shared code stands for. Pure: nothing here prints.
 */
#include <stdarg.h>

#include "cni/cni.h"

int cni_fail(struct cni_error *err, int code, const char *fmt, ...)
{
	va_list ap;

	err->code = code;
	err->details[0] = '\0';
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	return code;
}

static int code_of_errno(int code)
{
	static const struct {
		int errno_code;
		int cni_code;
	} table[] = {
		{EINVAL, CNI_BAD_CONFIG},
		{EAGAIN, CNI_TRY_LATER},
		{ETIMEDOUT, CNI_TRY_LATER},
		{ECONNREFUSED, CNI_TRY_LATER},
		{EPIPE, CNI_TRY_LATER},
		{ECONNRESET, CNI_TRY_LATER},
		{ESHUTDOWN, CNI_TRY_LATER},
		{ENOENT, CNI_NO_CONTAINER},
		{ESRCH, CNI_NO_CONTAINER},
		{ENOSPC, CNI_NO_ADDRESS},
		{EADDRINUSE, CNI_ADDRESS_TAKEN},
		{EEXIST, CNI_EXISTS},
		{ESTALE, CNI_DIFFERS},
		{EUCLEAN, CNI_DIFFERS},
		{EPERM, CNI_NO_PRIVILEGE},
		{EACCES, CNI_NO_PRIVILEGE},
		{ENOTSUP, CNI_NOT_SUPPORTED},
		{EBADMSG, CNI_DECODE},
		{EIO, CNI_IO},
	};

	for (size_t i = 0; i < PL_ARRAY_SIZE(table); i++)
		if (table[i].errno_code == -code)
			return table[i].cni_code;
	return CNI_FAILED;
}

int cni_fail_from(struct cni_error *err, const struct pl_error *cause)
{
	const char *text = cause->text[0] ? cause->text : strerror(-cause->code);

	return cni_fail(err, code_of_errno(cause->code), "%s", text);
}

int cni_no_memory(struct cni_error *err)
{
	return cni_fail(err, CNI_IO, "No memory left");
}
