//! Recorded files as tapes.

use super::Failed;
use import::{BarsRequest, ColumnMap, FundingRequest, Labelled, OptionsRequest, RateUnit, Repair};
use market::{Instrument, InstrumentKind};
use std::path::{Path, PathBuf};
use units::Timestamp;

/// The shared data, and where tapes go.
pub(super) struct Data {
    shared: PathBuf,
    folder: PathBuf,
}

impl Data {
    pub(super) fn new(shared: &Path, folder: &Path) -> Self {
        Self { shared: shared.to_owned(), folder: folder.to_owned() }
    }

    /// A file of bars as a linear perpetual `binance:COINUSDT-PERP`, whatever it was recorded of: what the prices did, in a contract that
    /// can be sold short and is liquidated.
    pub(super) fn bars(&self, file: &str, coin: &str) -> Result<PathBuf, Failed> {
        self.made(file, contract(coin)?)
    }

    /// The same of Deribit's inverse perpetual.
    pub(super) fn perpetual(&self, file: &str, coin: &str) -> Result<PathBuf, Failed> {
        let instrument = Instrument {
            symbol: format!("deribit:{coin}-PERPETUAL"),
            kind: InstrumentKind::InversePerpetual,
            base: coin.parse()?,
            quote: "USD".parse()?,
            settle: coin.parse()?,
            tick: "0.01".parse()?,
            lot: "10".parse()?,
            min_qty: "10".parse()?,
        };
        self.made(file, instrument)
    }

    fn made(&self, file: &str, instrument: Instrument) -> Result<PathBuf, Failed> {
        let name = format!("{}-{}", file.replace('/', "-"), instrument.symbol.replace(':', "-"));
        let out = self.folder.join(format!("{name}.tape"));
        if out.exists() {
            return Ok(out);
        }
        let mut request =
            BarsRequest::new(self.shared.join(format!("data/{file}.parquet")), instrument, Labelled::Open, &out);
        // Rows that are told twice, prices off a grid and bars that do not hold their own open: three of the files.
        request.repair = vec![Repair::KeepFirst, Repair::Snap, Repair::Widen];
        if file.contains("bars_2026") || file.contains("2024_2026") {
            request.columns.time = Some("ts".into());
        }
        import::bars(&request, &mut |_, _| {})?;
        Ok(out)
    }

    /// Recorded funding of 2023 and 2024.
    pub(super) fn funding(&self, coin: &str) -> Result<PathBuf, Failed> {
        let file = format!("data/funding/{coin}USDT_binance_8h_2023_2024.parquet");
        self.rates(&file, coin, RateUnit::Fraction, ColumnMap::default())
    }

    /// Recorded funding of bitcoin at Binance from 2020 to 2023, or from November 2022 to November 2025.
    pub(super) fn older_funding(&self, is_late: bool) -> Result<PathBuf, Failed> {
        if is_late {
            let file = "reference/forecast/data/btc_funding_8h_2022_2025.csv";
            return self.rates(file, "BTC", RateUnit::Percent, ColumnMap::default());
        }
        let binance = Some(("venue".to_owned(), "binance".to_owned()));
        let columns = ColumnMap { time: Some("ts_utc".to_owned()), only: binance, ..ColumnMap::default() };
        self.rates("data/funding/BTC_7venues_2020_2024.parquet", "BTC", RateUnit::Fraction, columns)
    }

    fn rates(&self, file: &str, coin: &str, unit: RateUnit, columns: ColumnMap) -> Result<PathBuf, Failed> {
        let out = self.folder.join(format!("{coin}-{}.tape", file.replace(['/', '.'], "-")));
        if !out.exists() {
            let mut request = FundingRequest::new(self.shared.join(file), contract(coin)?, unit, &out);
            request.repair = vec![Repair::KeepFirst];
            request.columns = columns;
            import::funding(&request, &mut |_, _| {})?;
        }
        Ok(out)
    }

    /// A month of option chains.
    pub(super) fn chain(&self, file: &str) -> Result<PathBuf, Failed> {
        let out = self.folder.join(format!("{}.tape", file.replace('/', "-")));
        if !out.exists() {
            let source = self.shared.join(format!("data/{file}.parquet"));
            import::options(&OptionsRequest::new(source, &out), &mut |_, _| {})?;
        }
        Ok(out)
    }

    /// What tapes received within some time, as one.
    pub(super) fn cut(&self, tapes: &[PathBuf], name: &str, from: &str, to: &str) -> Result<PathBuf, Failed> {
        let out = self.folder.join(format!("{name}.tape"));
        if !out.exists() {
            let within = from.parse::<Timestamp>()?..to.parse::<Timestamp>()?;
            tape::join(tapes, &out, "trimtab-study", within, &mut |_, _| true)?;
        }
        Ok(out)
    }
}

/// A linear perpetual on a grid that is fine enough for every recorded file.
fn contract(coin: &str) -> Result<Instrument, Failed> {
    Ok(Instrument {
        symbol: format!("binance:{coin}USDT-PERP"),
        kind: InstrumentKind::LinearPerpetual,
        base: coin.parse()?,
        quote: "USDT".parse()?,
        settle: "USDT".parse()?,
        tick: if coin == "DOGE" { "0.0000001" } else { "0.0001" }.parse()?,
        lot: "0.001".parse()?,
        min_qty: "0.001".parse()?,
    })
}
