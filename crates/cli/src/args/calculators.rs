//! Arguments of the option calculators, which read rows from standard input.

use clap::{Args, ValueEnum};
use pricing::options::SimdName;

pub(super) const PRICE: &str = "\
EXAMPLES
  trimtab price < options.ndjson          a JSON object a line
  trimtab price < options.csv             a header line, then a row an option
  trimtab price --simd scalar < options.csv

  {\"type\":\"call\",\"forward\":60000,\"strike\":65000,\"years\":0.1,\"vol\":0.65}

A row has type (call or put), forward, strike, years (of 365 days), vol (a
fraction), and may have discount (1 if not given), style (linear if not given,
or inverse) and id, which is repeated in the answer. An answer has the price
and twelve Greeks: delta, gamma, vega, theta, rho, vanna, volga, charm, veta,
speed, zomma, color. Of an inverse option it has price_coin and price_usd in
place of price, Greeks in USD, and net_delta.

A row that cannot be priced is answered by a line with its number in `line`,
the reason in `error` and a stable word in `code`; the others are priced, and
the exit code is 1.";

pub(super) const IV: &str = "\
EXAMPLES
  trimtab iv < quotes.ndjson              a JSON object a line
  trimtab iv < quotes.csv                 a header line, then a row a quote

  {\"type\":\"put\",\"forward\":60000,\"strike\":55000,\"years\":0.1,
   \"price\":0.034,\"tick\":0.0001,\"style\":\"inverse\"}

A row is that of `trimtab price` with price in place of vol, in coin for an
inverse option, and may have tick, the smallest step of that price. An answer
has vol, and vol_low and vol_high, the volatilities half a tick below and
above; vol_high is null where no volatility is too high.

A row without a volatility is answered by a line with its number in `line`, the
reason in `error` and in `code`: below_intrinsic, above_forward,
no_information; and with vol_high where any volatility up to that fits. The
exit code is then 1.";

/// What both calculators take.
#[derive(Debug, Args)]
pub(crate) struct Calculator {
    /// Compute with these instructions; the best that the processor has if not given. No result depends on it
    #[arg(long, value_name = "SET")]
    pub(crate) simd: Option<SimdArg>,
}

/// A set of instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SimdArg {
    Scalar,
    Avx2,
    Avx512,
}

impl From<SimdArg> for SimdName {
    fn from(arg: SimdArg) -> Self {
        match arg {
            SimdArg::Scalar => Self::Scalar,
            SimdArg::Avx2 => Self::Avx2,
            SimdArg::Avx512 => Self::Avx512,
        }
    }
}
