// What this machine's 128-bit vector unit can do, measured in C beside the bench (bench/native.ts compiles it):
//   limit muladd            G operations/s of independent multiplies and adds
//   limit rmsprop N         G parameters/s of the plain RMSProp step over N parameters, N a multiple of 4
// Prints one number: the median of some runs.
#include <immintrin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { RUNS = 9, SUMS = 10 };

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

static int ascending(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median(double *values) {
  qsort(values, RUNS, sizeof *values, ascending);
  return values[RUNS / 2];
}

// Ten sums hide the latency of an add, and stay in registers if every loop over them is unrolled; the empty asm keeps
// the compiler from fusing, hoisting or dropping anything.
static __attribute__((noinline)) void multiply_add(long steps) {
  __m128 sum[SUMS], x = _mm_set1_ps(0.5f);
  const __m128 y = _mm_set1_ps(0.25f);
  for (int i = 0; i < SUMS; i++) sum[i] = _mm_setzero_ps();
  while (steps--) {
    for (int i = 0; i < SUMS; i++) {
      __m128 product = _mm_mul_ps(x, y);
      __asm__ volatile("" : "+x"(product), "+x"(x));
      sum[i] = _mm_add_ps(sum[i], product);
    }
  }
  for (int i = 0; i < SUMS; i++) __asm__ volatile("" ::"x"(sum[i]));
}

static __attribute__((noinline)) void rmsprop(float *p, const float *g, float *v, long n) {
  const __m128 lr = _mm_set1_ps(1e-3f), decay = _mm_set1_ps(0.9f), rest = _mm_set1_ps(0.1f), eps = _mm_set1_ps(1e-8f);
  for (long i = 0; i < n; i += 4) {
    const __m128 grad = _mm_loadu_ps(g + i);
    const __m128 mean = _mm_add_ps(_mm_mul_ps(decay, _mm_loadu_ps(v + i)), _mm_mul_ps(rest, _mm_mul_ps(grad, grad)));
    const __m128 step = _mm_div_ps(_mm_mul_ps(lr, grad), _mm_sqrt_ps(_mm_add_ps(mean, eps)));
    _mm_storeu_ps(v + i, mean);
    _mm_storeu_ps(p + i, _mm_sub_ps(_mm_loadu_ps(p + i), step));
  }
}

int main(int argc, char **argv) {
  double rates[RUNS];
  if (argc == 2 && !strcmp(argv[1], "muladd")) {
    for (int run = 0; run < RUNS; run++) {
      const long steps = 400000;
      const double start = seconds();
      multiply_add(steps);
      rates[run] = steps * SUMS * 8.0 / (seconds() - start) * 1e-9;
    }
  } else if (argc == 3 && !strcmp(argv[1], "rmsprop")) {
    const long n = atol(argv[2]);
    float *p = aligned_alloc(64, n * 4), *g = aligned_alloc(64, n * 4), *v = aligned_alloc(64, n * 4);
    for (long i = 0; i < n; i++) p[i] = i % 7, g[i] = i % 13 - 6.5f, v[i] = 1;
    const long repeats = n < 4000000 ? 4000000 / n : 1;
    rmsprop(p, g, v, n);
    for (int run = 0; run < RUNS; run++) {
      const double start = seconds();
      for (long r = 0; r < repeats; r++) rmsprop(p, g, v, n);
      rates[run] = repeats * n / (seconds() - start) * 1e-9;
    }
  } else {
    fprintf(stderr, "usage: limit muladd | limit rmsprop N\n");
    return 2;
  }
  printf("%.3f\n", median(rates));
}
