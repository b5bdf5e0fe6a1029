/* chi2.h - are these integers a discrete Gaussian's? Pearson's test against exact masses. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* P(x) of the discrete Gaussian with exp(-x^2 / (2 variance)); variance up to 2^13. */
double chi2_mass(double x, double variance);

/* Pearson's statistic of the n samples as a standard normal number (Wilson and Hilferty): beyond
 * +-5 has odds of one in a million. Cells are single integers, or for a deviation above 32 equal
 * parts of it (their masses by the continuous distribution, which differs by less than e^-19000),
 * joined at the ends until each has five samples expected. */
double chi2_gaussian(const int64_t *samples, size_t n, double variance);
