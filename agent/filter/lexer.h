/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The words of a filter expression, as libpcap's scanner splits them: to say which one is wrong,
 * and to find names that libpcap would look up. It judges no grammar; libpcap does.
 */
#ifndef PODLANE_FILTER_LEXER_H
#define PODLANE_FILTER_LEXER_H

#include "common/util.h"

enum pl_word_kind {
	PL_WORD_KEYWORD,
	PL_WORD_NAME, /* neither keyword, number nor address: libpcap would look it up */
	PL_WORD_NUMBER,
	PL_WORD_ADDRESS,
	PL_WORD_SIGN, /* one byte of an operator or parenthesis, or one that fits nowhere */
};

struct pl_word {
	size_t start; /* byte offset in the expression */
	size_t len;
	enum pl_word_kind kind;
};

/* 0 or -ENOMEM; caller frees *ret. */
int pl_words_split(const char *expr, struct pl_word **ret, size_t *ret_n);

/*
 * Index of the first name that stands where libpcap takes hosts or networks, @n where there is
 * none. Names of ports and protocols come from local files and are fine.
 */
size_t pl_words_find_host(const char *expr, const struct pl_word *words, size_t n);

/* The keyword that @word was probably meant to be, or NULL. */
const char *pl_words_nearest(const char *expr, const struct pl_word *word);

/*
 * -EINVAL with @problem, and the expression with a caret under @word (NULL: its end). Long
 * expressions are cut to what surrounds the word.
 */
int pl_words_fail(struct pl_error *err, const char *expr, const struct pl_word *word,
		  const char *problem);

#endif
