//! What the account's equity is counted in, and what the instrument's contract settles in.

use super::state::{InstrumentState, Scope};
use market::Conversion;
use policy::{Policy, spec};
use units::{Cash, Contract};

/// How money that a state tells in the account's numéraire becomes money that the contract settles in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Numeraire {
    way: Conversion,
    /// The underlying, where equity is counted in it.
    pub(super) coin: Option<String>,
}

impl Numeraire {
    /// As the policy declares it for the venue of the instrument; else equity is counted in what the contract settles in.
    pub(super) fn of(policy: &Policy, scope: &Scope<'_>) -> Result<Self, String> {
        let (at, instrument) = (scope.account.0, scope.instrument.1);
        let (symbol, contract) = (instrument.symbol.as_str(), Contract::from(instrument.contract));
        let base = spec::base(symbol);
        let declared = policy.accounts.iter().find(|terms| terms.venue == spec::venue(symbol));
        let Some(counted) = declared.and_then(|terms| terms.numeraire.as_deref()) else {
            let coin = (contract == Contract::Inverse).then(|| base.unwrap_or("the coin").to_owned());
            return Ok(Self { way: Conversion::Same, coin });
        };
        let quote = spec::currencies(symbol).map_or("USD", |(_, quote)| quote);
        let is_quote = counted == quote || (spec::is_dollar(counted) && spec::is_dollar(quote));
        let is_base = base == Some(counted);
        // The price is the only mark that there is: of the underlying, in the quote currency.
        let way = match contract {
            Contract::Inverse if is_base => Conversion::Same,
            Contract::Inverse if is_quote => Conversion::Over(0),
            Contract::Linear if is_quote => Conversion::Same,
            Contract::Linear if is_base => Conversion::Times(0),
            Contract::Linear | Contract::Inverse => {
                let settles = match contract {
                    Contract::Linear => quote,
                    Contract::Inverse => base.unwrap_or("its coin"),
                };
                return Err(format!(
                    "accounts[{at}].equity is counted in {counted} (`numeraire` of the policy's account), `{symbol}` settles in \
                     {settles}, and its price does not tell what one is worth in the other; state equity in {settles} and write \
                     `numeraire = \"{settles}\"` for this plan"
                ));
            }
        };
        Ok(Self { way, coin: is_base.then(|| counted.to_owned()) })
    }

    /// An amount of the numéraire in what the contract settles in, at the instrument's price. `None`: there is no price, or it does not
    /// fit.
    pub(super) fn settled(&self, amount: Cash, instrument: &InstrumentState) -> Option<Cash> {
        self.way.forward(amount, Some(instrument.price.0))
    }

    /// An amount of what the contract settles in, in the numéraire at the instrument's price.
    pub(super) fn counted(&self, amount: Cash, instrument: &InstrumentState) -> Option<Cash> {
        let back = match self.way {
            Conversion::Over(at) => Conversion::Times(at),
            Conversion::Times(at) => Conversion::Over(at),
            other => other,
        };
        back.forward(amount, Some(instrument.price.0))
    }
}
