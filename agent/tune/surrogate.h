/* What a tune space probably costs where nobody has looked: a Gaussian process over features in
 * [0, 1] with a length of its own for each. It knows how far to trust itself. */
#ifndef AGENT_TUNE_SURROGATE_H
#define AGENT_TUNE_SURROGATE_H

typedef struct tune_surrogate tune_surrogate;

tune_surrogate *tune_surrogate_new(int n_features);
void tune_surrogate_free(tune_surrogate *g);
/* Takes n points, x[n][n_features], with values y[n]. `steps` of improving the lengths, which start
 * from those of the last fit; 0 keeps them. */
void tune_surrogate_fit(tune_surrogate *g, const double *x, const double *y, int n, int steps);
/* In units of y. The mean alone is cheap. */
double tune_surrogate_mean(const tune_surrogate *g, const double *x);
void tune_surrogate_predict(const tune_surrogate *g, const double *x, double *mean, double *sd);
/* One point more with the value that is predicted there: the others' certainty changes, their
 * values hardly do. */
void tune_surrogate_believe(tune_surrogate *g, const double *x);

#endif
