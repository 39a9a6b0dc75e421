/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The escapes between quotes are those of JSON, which parsers of logfmt undo. A byte that is no
 * UTF-8 has no such escape: it becomes the text \xHH, its backslash escaped.
 */
#include <stdbool.h>

#include "common/logfmt.h"
#include "common/util.h"

enum { CLOSING = 2 }; /* kept free for a quote and the NUL */

struct out {
	char *buf;
	size_t size, used;
	size_t pair; /* where the pair at hand begins, with its space */
	bool quoted; /* between the quotes of @fmt */
	bool full;
};

static const char hex[] = "0123456789abcdef";

static void put(struct out *o, const char *bytes, size_t n)
{
	if (o->full || o->used + n + CLOSING > o->size) {
		o->full = true;
		return;
	}
	memcpy(o->buf + o->used, bytes, n);
	o->used += n;
}

/* C0, DEL, and C1 (which a terminal may take for ESC [). */
static bool is_control(const char *s, size_t char_len)
{
	const unsigned char *u = (const unsigned char *)s;

	if (char_len == 1)
		return u[0] < 0x20 || u[0] == 0x7f;
	return char_len == 2 && u[0] == 0xc2 && u[1] < 0xa0;
}

static bool is_plain(const char *s, size_t char_len)
{
	return char_len && !is_control(s, char_len) && *s != '"' && *s != '\\';
}

static void put_escaped(struct out *o, const char *s, size_t char_len)
{
	unsigned char last = (unsigned char)s[char_len ? char_len - 1 : 0];
	char code[] = {'\\', 'u', '0', '0', hex[last >> 4], hex[last & 15]};
	char byte[] = {'\\', '\\', 'x', hex[last >> 4], hex[last & 15]};
	const char *letters = "\"\"\\\\\nn\rr\tt", *at = letters;

	while (*at && *at != *s)
		at += 2;
	if (!char_len)
		put(o, byte, sizeof(byte));
	else if (*at)
		put(o, (char[]){'\\', at[1]}, 2);
	else
		put(o, code, sizeof(code));
}

static void put_quoted(struct out *o, const char *s, size_t len)
{
	for (size_t i = 0; i < len;) {
		size_t n = pl_utf8_char(s + i, len - i);

		if (is_plain(s + i, n))
			put(o, s + i, n);
		else
			put_escaped(o, s + i, n);
		i += n ? n : 1;
	}
}

static bool needs_quotes(const char *s, size_t len)
{
	for (size_t i = 0; i < len;) {
		size_t n = pl_utf8_char(s + i, len - i);

		if (!is_plain(s + i, n) || s[i] == ' ' || s[i] == '=')
			return true;
		i += n;
	}
	return !len;
}

static void put_words(struct out *o, const char *s, size_t len)
{
	for (size_t i = 0; i < len;) {
		size_t n = pl_utf8_char(s + i, len - i);
		unsigned char c = (unsigned char)s[i];

		if (n && !is_control(s + i, n) && c != '"' && c != '=') {
			put(o, s + i, n);
			i += n;
			continue;
		}
		put(o, (char[]){'\\', 'x', hex[c >> 4], hex[c & 15]}, 4);
		i++;
	}
}

/* Returns where @fmt goes on. */
static const char *put_string(struct out *o, const char *s, size_t len, const char *fmt)
{
	bool value = o->used && o->buf[o->used - 1] == '=';

	if (!s && (o->quoted || value)) {
		o->used = o->pair;
		fmt += o->quoted && *fmt == '"';
		o->quoted = false;
	} else if (o->quoted) {
		put_quoted(o, s, len);
	} else if (value && needs_quotes(s, len)) {
		put(o, "\"", 1);
		if (o->full)
			return fmt;
		put_quoted(o, s, len);
		o->buf[o->used++] = '"'; /* the room is kept for it */
	} else {
		put_words(o, s ? s : "", len);
	}
	return fmt;
}

/* One conversion, with its stars filled in. */
struct spec {
	char text[32];
	size_t len;
	int precision; /* -1: none */
	char length;   /* 'l', 'q' for ll and j, 'z'; 0: int */
	char type;
};

static void spec_add(struct spec *s, char c)
{
	if (s->len + 1 < sizeof(s->text))
		s->text[s->len++] = c;
	s->text[s->len] = '\0';
}

static const char *read_spec(const char *p, struct spec *s, va_list *args)
{
	*s = (struct spec){.precision = -1};
	for (spec_add(s, *p++); *p; p++) {
		if (*p == '*') {
			int n = va_arg(*args, int);

			if (s->precision >= 0)
				s->precision = n < 0 ? -1 : n;
			s->len += (size_t)snprintf(s->text + s->len, sizeof(s->text) - s->len, "%d",
						   n);
			continue;
		}
		spec_add(s, *p);
		if (*p == '.')
			s->precision = 0;
		else if (*p >= '0' && *p <= '9')
			s->precision = s->precision < 0 ? -1 : s->precision * 10 + (*p - '0');
		else if (*p == 'l')
			s->length = s->length == 'l' ? 'q' : 'l';
		else if (*p == 'j')
			s->length = 'q';
		else if (*p == 'z' || *p == 't')
			s->length = 'z';
		else if (!strchr("-+ #h", *p))
			break;
	}
	s->type = *p;
	return *p ? p + 1 : p;
}

static void put_number(struct out *o, const struct spec *s, va_list *args)
{
	char text[64];
	int n;

	switch (s->length) {
	case 'l':
		n = snprintf(text, sizeof(text), s->text, va_arg(*args, long));
		break;
	case 'q':
		n = snprintf(text, sizeof(text), s->text, va_arg(*args, long long));
		break;
	case 'z':
		n = snprintf(text, sizeof(text), s->text, va_arg(*args, size_t));
		break;
	default:
		n = snprintf(text, sizeof(text), s->text, va_arg(*args, int));
		break;
	}
	if (n > 0)
		put(o, text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
}

static const char *put_conversion(struct out *o, const char *p, va_list *args)
{
	struct spec s;
	const char *text;

	p = read_spec(p, &s, args);
	switch (s.type) {
	case '%':
		put(o, "%", 1);
		return p;
	case 's':
		text = va_arg(*args, const char *);
		return put_string(o, text,
				  !text		     ? 0
				  : s.precision >= 0 ? strnlen(text, (size_t)s.precision)
						     : strlen(text),
				  p);
	default: /* the compiler knows that nothing but whole numbers and characters is left */
		put_number(o, &s, args);
		return p;
	}
}

size_t pl_logfmt(char *buf, size_t size, const char *fmt, va_list args)
{
	struct out o = {.buf = buf, .size = size};
	va_list copy;

	va_copy(copy, args);
	for (const char *p = fmt; *p && !o.full;) {
		if (*p == '%') {
			p = put_conversion(&o, p, &copy);
			continue;
		}
		if (*p == ' ' && !o.quoted)
			o.pair = o.used;
		put(&o, p, 1);
		if (*p == '"' && !o.full)
			o.quoted = !o.quoted;
		p++;
	}
	va_end(copy);
	if (o.full && o.quoted)
		o.buf[o.used++] = '"';
	o.buf[o.used] = '\0';
	return o.used;
}
