/* Arithmetic in prime fields, and which element of one a number in floating point stands for.
 *
 * Elements are 0 .. p - 1 with p between 2^15 and 2^16, so that one has room in the upper half
 * of an f32, in an f16 or bf16, and in the upper quarter of an f64. Numbers there are codes;
 * those of p and above stand for nothing in the field, and what is computed from one is another
 * one. */
#ifndef BASE_FIELD_H
#define BASE_FIELD_H

#include <stdbool.h>
#include <stdint.h>

enum { WS_FIELD_OUTSIDE = 0xffff, WS_FIELD_LEAST = 1 << 15, WS_FIELD_END = 1 << 16 };

/* One of the 3030 primes between, chosen by a random number. */
uint32_t ws_field_prime(uint64_t random);
uint32_t ws_field_power(uint32_t p, uint32_t a, uint64_t n);
uint32_t ws_field_inverse(uint32_t p, uint32_t a); /* of 0: 0 */
uint32_t ws_field_integer(uint32_t p, int64_t n);

/* The element that the number v of `digits` binary digits stands for: f32 has 24, f64 53, f16
 * 11, bf16 8. A program writes 0.333333343f and means a third. So a number is the simplest
 * fraction among those that round to it, unless it is whole, or needs no more than half of its
 * digits, and so is meant as it is. Different numbers of one format are different fractions, but
 * that an f64 which is an f32 is taken for that one. WS_FIELD_OUTSIDE: v is not finite, or its
 * fraction has p below the line. */
uint32_t ws_field_number(uint32_t p, double v, int digits);
/* Whether numerator times denominator is below 2^(digits / 2 - 1), or it is meant as it is. */
bool ws_field_is_simple(double v, int digits);

#endif
