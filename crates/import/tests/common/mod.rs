//! What the tests share: a folder with one source in it, imports of it, and the tape that came out.

use import::{
    BarsRequest, FundingRequest, ImportError, ImportReport, Labelled, MarksRequest, OptionsRequest, RateUnit, Repair,
    SeriesRequest, SeriesUnit,
};
use market::{Bar, Event};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use tape::TapeReader;
use tempfile::TempDir;
use units::{Duration, Timestamp};

pub struct Fixture {
    folder: TempDir,
    pub source: PathBuf,
}

impl Fixture {
    pub fn csv(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("source.csv");
        std::fs::write(&source, text).unwrap();
        Self { folder, source }
    }

    pub fn of(source: PathBuf) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), source }
    }

    pub fn out(&self) -> PathBuf {
        self.folder.path().join("out.tape")
    }

    pub fn bars_request(&self) -> BarsRequest {
        let instrument = import::instrument("binance:BTCUSDT-PERP", &import::Terms::default()).unwrap();
        BarsRequest::new(&self.source, instrument, Labelled::Open, self.out())
    }

    pub fn bars(&self) -> Result<ImportReport, ImportError> {
        self.bars_with(&[])
    }

    pub fn bars_with(&self, repair: &[Repair]) -> Result<ImportReport, ImportError> {
        self.run(&BarsRequest { repair: repair.to_vec(), ..self.bars_request() })
    }

    pub fn run(&self, request: &BarsRequest) -> Result<ImportReport, ImportError> {
        self.nothing_left(|| import::bars(request, &mut |_, _| {}))
    }

    pub fn funding_request(&self, unit: RateUnit) -> FundingRequest {
        let instrument = import::instrument("binance:BTCUSDT-PERP", &import::Terms::default()).unwrap();
        FundingRequest::new(&self.source, instrument, unit, self.out())
    }

    pub fn funding(&self, unit: RateUnit, repair: &[Repair]) -> Result<ImportReport, ImportError> {
        let request = FundingRequest { repair: repair.to_vec(), ..self.funding_request(unit) };
        self.nothing_left(|| import::funding(&request, &mut |_, _| {}))
    }

    pub fn series(&self, column: &str, unit: SeriesUnit, lag: Duration) -> Result<ImportReport, ImportError> {
        let request =
            SeriesRequest { lag, ..SeriesRequest::new(&self.source, column, "test.series", unit, self.out()) };
        self.nothing_left(|| import::series(&request, &mut |_, _| {}))
    }

    pub fn options(&self, repair: &[Repair]) -> Result<ImportReport, ImportError> {
        self.options_of(&OptionsRequest { repair: repair.to_vec(), ..self.options_request() })
    }

    pub fn options_request(&self) -> OptionsRequest {
        OptionsRequest::new(&self.source, self.out())
    }

    pub fn options_of(&self, request: &OptionsRequest) -> Result<ImportReport, ImportError> {
        self.nothing_left(|| import::options(request, &mut |_, _| {}))
    }

    pub fn marks_request(&self) -> MarksRequest {
        MarksRequest::new(&self.source, self.out())
    }

    pub fn marks_of(&self, request: &MarksRequest) -> Result<ImportReport, ImportError> {
        self.nothing_left(|| import::marks(request, &mut |_, _| {}))
    }

    /// A failed import is the input's fault, and leaves the folder as it was.
    fn nothing_left(
        &self,
        import: impl FnOnce() -> Result<ImportReport, ImportError>,
    ) -> Result<ImportReport, ImportError> {
        let before = self.files();
        let result = import();
        if let Err(error) = &result {
            assert!(error.is_input(), "{error}");
            assert_eq!(self.files(), before, "{error}");
        }
        result
    }

    fn files(&self) -> BTreeSet<PathBuf> {
        std::fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    pub fn events(&self) -> Vec<(Timestamp, Event)> {
        let mut reader = TapeReader::open(self.out()).unwrap();
        std::iter::from_fn(|| reader.next().unwrap()).collect()
    }

    pub fn first_bar(&self) -> Bar {
        match self.events().first() {
            Some((_, Event::Bar(bar))) => *bar,
            other => panic!("{other:?}"),
        }
    }
}

/// A file of the shared data, or `None` where that is absent: then the test is skipped by name (a failure under CI).
pub fn shared(test: &str, path: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let file = std::env::var_os("TRIMTAB_SHARED").map_or(beside, PathBuf::from).join(path);
    if file.exists() {
        return Some(file);
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{test}: shared data absent");
    eprintln!("skipped: {test}: shared data absent");
    None
}
