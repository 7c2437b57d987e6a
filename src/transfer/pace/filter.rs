//! The largest value of late: Kathleen Nichols' windowed maximum, which needs three samples whatever the window.
//!
//! The clock is any number that only grows; the pace counts in rounds.

/// The largest, second largest and third largest sample, each younger than the one before.
#[derive(Clone, Copy, Debug, Default)]
pub struct Maximum {
    best: [Sample; 3],
}

#[derive(Clone, Copy, Debug, Default)]
struct Sample {
    value: u64,
    clock: u64,
}

impl Maximum {
    /// The largest value of the window.
    pub fn get(&self) -> u64 {
        self.best[0].value
    }

    /// Takes a sample and lets go of what is older than `window`.
    pub fn sample(&mut self, clock: u64, value: u64, window: u64) {
        let sample = Sample { value, clock };
        let [first, second, third] = &mut self.best;
        if value >= first.value || clock.saturating_sub(third.clock) > window {
            self.best = [sample; 3];
            return;
        }
        if value >= second.value {
            (*second, *third) = (sample, sample);
        } else if value >= third.value {
            *third = sample;
        }
        self.grow_old(sample, window);
    }

    /// The best leaves when its time is over; while it stays, its successors are looked for in what follows it.
    fn grow_old(&mut self, sample: Sample, window: u64) {
        let [first, second, third] = &mut self.best;
        let age = sample.clock.saturating_sub(first.clock);
        if age > window {
            (*first, *second, *third) = (*second, *third, sample);
            if sample.clock.saturating_sub(first.clock) > window {
                (*first, *second) = (*second, *third);
            }
        } else if second.clock == first.clock && age > window / 4 {
            (*second, *third) = (sample, sample);
        } else if third.clock == second.clock && age > window / 2 {
            *third = sample;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_maximum_is_never_older_than_the_window_and_never_misses_the_last_values() {
        let mut numbers = 1_u64;
        let mut filter = Maximum::default();
        let mut values = Vec::new();
        for clock in 0..5_000_u64 {
            numbers = numbers.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let value = (numbers >> 40) / (1 + clock % 700);
            values.push(value);
            filter.sample(clock, value, 10);
            let window = &values[values.len().saturating_sub(11)..];
            assert!(window.contains(&filter.get()), "an old value stayed");
            let latest = &values[values.len().saturating_sub(3)..];
            assert!(filter.get() >= *latest.iter().max().unwrap_or(&0), "a young and larger one was missed");
        }
    }

    #[test]
    fn a_fallen_value_is_seen_after_one_window() {
        let mut filter = Maximum::default();
        filter.sample(0, 1_000, 10);
        for clock in 1..=10 {
            filter.sample(clock, 100, 10);
            assert_eq!(filter.get(), 1_000);
        }
        filter.sample(11, 100, 10);
        assert_eq!(filter.get(), 100);
    }
}
