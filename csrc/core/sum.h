// Compensated sums (Neumaier 1974), for host and device. The error is
// about one rounding for any number of terms.
#pragma once

#include <cmath>

#include "types.h"

namespace calibench {

struct Sum {
  double sum = 0.0;
  double carry = 0.0;

  CALIBENCH_HD void add(double value) {
    const double total = sum + value;
    if (is_finite(total)) {  // else the correction inf - inf would turn an infinite NLL into NaN
      carry += ::fabs(sum) >= ::fabs(value) ? (sum - total) + value : (value - total) + sum;
    }
    sum = total;
  }

  CALIBENCH_HD void add(const Sum& other) {
    add(other.sum);
    carry += other.carry;
  }

  CALIBENCH_HD double value() const { return sum + carry; }
};

}  // namespace calibench
