//! Amounts of money.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub, SubAssign};
use std::str::FromStr;

use super::{Decimal, ParseError};

/// An exact amount of money, in the currency of its record.
///
/// Sums and products are exact as far as 28 digits go. Past that they panic, as whole numbers do in a debug build: the
/// step traps and its message is rolled back. The checked methods of [`Money::amount`] are the way around it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(Decimal);

impl Money {
    /// No money.
    pub const ZERO: Self = Self(Decimal::ZERO);

    /// An amount of whole units: `Money::new(12)` is 12.00.
    pub fn new(units: i64) -> Self {
        Self(Decimal::from(units))
    }

    /// An amount of hundredths: `Money::cents(1250)` is 12.50.
    pub fn cents(cents: i64) -> Self {
        Self(Decimal::new(cents, 2))
    }

    /// The amount as a decimal number.
    pub const fn amount(self) -> Decimal {
        self.0
    }

    /// Rounded to `digits` after the point, halves to the even neighbour.
    #[must_use]
    pub fn round(self, digits: u32) -> Self {
        Self(self.0.round_dp(digits))
    }
}

/// With two digits after the point, or more if the amount has them: `5000.00`.
impl fmt::Display for Money {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.scale() >= 2 {
            return self.0.fmt(out);
        }
        let mut padded = self.0;
        padded.rescale(2);
        padded.fmt(out)
    }
}

impl FromStr for Money {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Decimal::from_str_exact(text)
            .map(Self)
            .map_err(|_| ParseError::new(text, "an amount like 1250.00 with at most 28 digits"))
    }
}

impl From<Decimal> for Money {
    fn from(amount: Decimal) -> Self {
        Self(amount)
    }
}

impl From<Money> for Decimal {
    fn from(money: Money) -> Self {
        money.0
    }
}

impl Add for Money {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl AddAssign for Money {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl Sub for Money {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl SubAssign for Money {
    fn sub_assign(&mut self, other: Self) {
        self.0 -= other.0;
    }
}

impl Neg for Money {
    type Output = Self;

    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl<N: Into<Decimal>> Mul<N> for Money {
    type Output = Self;

    fn mul(self, factor: N) -> Self {
        Self(self.0 * factor.into())
    }
}

impl<N: Into<Decimal>> Div<N> for Money {
    type Output = Self;

    fn div(self, divisor: N) -> Self {
        Self(self.0 / divisor.into())
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}
