//! What rules read their numbers from: the policy's text, or an expression at every decision.

use crate::Region;
use crate::expression::Compiled;
use crate::facts::{FactId, Facts};
use crate::spec::Setting;
use units::{Ratio, SeriesId, Vol};

/// A number of a rule. One that is always the same costs a branch.
pub(crate) enum Number {
    Declared(f64),
    Reckoned {
        value: Compiled,
        /// A larger value counts as this.
        most: f64,
    },
}

impl Number {
    /// `None`: a series is missing.
    pub(crate) fn compile<T: Copy + Into<Self>>(
        setting: &Setting<T>,
        series: &dyn Fn(&str) -> Option<SeriesId>,
    ) -> Option<Self> {
        Some(match setting {
            Setting::Declared(value) => (*value).into(),
            Setting::Reckoned(reckoned) => {
                Self::Reckoned { value: reckoned.expression.compile(series)?, most: reckoned.most }
            }
        })
    }

    /// Its value now, from zero to the most that its key takes. `None`: it is not known.
    #[inline]
    pub(crate) fn get(&self, facts: &Facts) -> Option<f64> {
        match self {
            Self::Declared(value) => Some(*value),
            Self::Reckoned { value, most } => value.value(facts).map(|value| value.clamp(0.0, *most)),
        }
    }

    /// The same of a distance, which is over zero.
    #[inline]
    pub(crate) fn distance(&self, facts: &Facts) -> Option<f64> {
        self.get(facts).filter(|value| *value > 0.0)
    }

    /// The facts that it is reckoned from.
    pub(crate) fn reads(&self) -> &[FactId] {
        match self {
            Self::Declared(_) => &[],
            Self::Reckoned { value, .. } => value.reads(),
        }
    }

    /// States that its series stay as they are; its other facts have to, because nothing is stated of them. `false`: a series is not
    /// known now, or the rule has `stated` something else of what it reads.
    pub(crate) fn stays(&self, facts: &Facts, stated: &[FactId], region: &mut Region) -> bool {
        match self {
            Self::Declared(_) => true,
            Self::Reckoned { value, .. } => {
                !value.reads().iter().any(|fact| stated.contains(fact)) && value.stays(facts, region)
            }
        }
    }
}

/// Which fact of the first number that is not known is missing, and why.
pub(crate) fn tell_unknown(numbers: &[&Number], facts: &Facts, out: &mut String) {
    let before = out.len();
    for number in numbers {
        if let (Number::Reckoned { value, .. }, true) = (number, out.len() == before) {
            value.tell_unknown(facts, out);
        }
    }
}

impl From<Ratio> for Number {
    fn from(value: Ratio) -> Self {
        Self::Declared(value.get())
    }
}

impl From<Vol> for Number {
    fn from(value: Vol) -> Self {
        Self::Declared(value.get())
    }
}

/// What a rule reads with what its numbers are reckoned from, each once.
pub(crate) fn reads_with(own: &[FactId], numbers: &[&Number]) -> Vec<FactId> {
    let mut all: Vec<FactId> = own.to_vec();
    for fact in numbers.iter().flat_map(|number| number.reads()) {
        if !all.contains(fact) {
            all.push(*fact);
        }
    }
    all
}
