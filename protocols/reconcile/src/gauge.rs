//! How large the difference is, told before it is known.

use crate::hash::{Key, ShortId};

/// Cells of a gauge sent by somebody who expects few differences.
pub const COARSE: usize = 16;
/// Cells of a gauge sent by somebody who expects many: 240 bytes more, which a good guess at hundreds repays.
pub const FINE: usize = 256;

/// Estimates how many items two sets differ in (a tug-of-war sketch: Alon, Matias and Szegedy 1996, in the bucketed form
/// of Thorup and Zhang 2004). Each item adds one to its cell or takes one away; what both sides hold cancels, and the
/// squares of what is left sum up to the size of the difference on average. The relative error is the root of two over
/// the number of cells: 35 % and 9 %.
///
/// Cells wrap at 256, so that they cancel at any size of the sets; 16 of them tell differences up to some 20,000.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gauge {
    cells: [u8; FINE],
}

impl Default for Gauge {
    fn default() -> Self {
        Self { cells: [0; FINE] }
    }
}

impl Gauge {
    pub(crate) fn insert(&mut self, key: &Key, short: ShortId) {
        let (cell, up) = key.gauge(short);
        self.add(cell, up);
    }

    pub(crate) fn remove(&mut self, key: &Key, short: ShortId) {
        let (cell, up) = key.gauge(short);
        self.add(cell, !up);
    }

    fn add(&mut self, cell: u8, up: bool) {
        let cell = &mut self.cells[usize::from(cell)];
        *cell = if up { cell.wrapping_add(1) } else { cell.wrapping_sub(1) };
    }

    /// As sent: [`FINE`] cells, or [`COARSE`] ones that are sums of sixteen each.
    #[must_use]
    pub fn cells(&self, fine: bool) -> Vec<u8> {
        if fine {
            return self.cells.to_vec();
        }
        let sum = |cells: &[u8]| cells.iter().fold(0_u8, |sum, cell| sum.wrapping_add(*cell));
        self.cells.chunks(FINE / COARSE).map(sum).collect()
    }

    /// The probable size of the difference from the set whose cells these are, as many as were sent.
    #[must_use]
    pub fn difference(&self, theirs: &[u8]) -> usize {
        let ours = self.cells(theirs.len() == FINE);
        let square = |(ours, theirs): (&u8, &u8)| {
            let off = i32::from(ours.wrapping_sub(*theirs).cast_signed());
            usize::try_from(off * off).unwrap_or_default()
        };
        ours.iter().zip(theirs).map(square).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::{Salt, mix};

    #[test]
    fn the_estimate_is_as_good_as_promised() {
        let key = Key::new(Salt(3));
        for (fine, error) in [(false, 0.36), (true, 0.09)] {
            for size in [10_usize, 100, 1_000, 10_000] {
                let runs = 60;
                let mut squares = 0.0;
                for run in 0..runs {
                    let (mut here, mut there) = (Gauge::default(), Gauge::default());
                    for n in 0..size as u64 {
                        let side = if n % 3 == 0 { &mut here } else { &mut there };
                        side.insert(&key, ShortId(mix(n + run * 1_000_000)));
                    }
                    let off = here.difference(&there.cells(fine)) as f64 / size as f64 - 1.0;
                    squares += off * off;
                }
                let spread = (squares / runs as f64).sqrt();
                assert!(spread < error * 1.4, "{size} in {fine}: {spread}");
            }
        }
    }

    #[test]
    fn what_leaves_has_never_been() {
        let key = Key::new(Salt(0));
        let mut gauge = Gauge::default();
        gauge.insert(&key, ShortId(1));
        assert_eq!(gauge.difference(&Gauge::default().cells(true)), 1);
        gauge.remove(&key, ShortId(1));
        assert_eq!(gauge, Gauge::default());
    }
}
