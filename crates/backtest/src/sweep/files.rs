//! The folder of a sweep: `sweep.json`, `results.parquet`, `results.csv`, and a heat map where two keys were varied.

use super::{Parts, Row, Sweep};
use crate::metrics::Figure;
use crate::report::heat_map;
use crate::table::{Cells, Table};
use crate::{Error, folder};
use serde_json::json;
use std::borrow::Cow;
use std::fs;
use std::path::Path;

/// The recipe of a sweep; a folder that holds it may be replaced by another sweep.
pub(crate) const RECIPE: &str = "sweep.json";

impl Sweep {
    /// Writes the folder, whole or not at all. Refuses one in use unless `force`, and then replaces only a sweep.
    pub fn write(&self, out: &Path, force: bool) -> Result<(), Error> {
        folder::write_whole(out, RECIPE, force, |folder| {
            let io = |path: &Path| {
                let path = path.to_owned();
                move |error: parquet::errors::ParquetError| Error::io(&path)(std::io::Error::other(error))
            };
            let path = folder.join("results.parquet");
            self.table().write(&path).map_err(io(&path))?;
            let text = |name: &str, text: String| {
                let path = folder.join(name);
                fs::write(&path, text).map_err(Error::io(&path))
            };
            text("results.csv", self.csv())?;
            if let Some(svg) = heat_map(self) {
                text("heatmap.svg", svg)?;
            }
            text(RECIPE, format!("{:#}\n", self.recipe()))
        })
    }

    /// What ran, for whoever wants to run it again.
    #[must_use]
    pub fn recipe(&self) -> serde_json::Value {
        let request = &self.request;
        let axes = request.axes.iter().map(|axis| json!({ "key": axis.path, "values": axis.values }));
        json!({
            "version": 1,
            "program": request.program,
            "policy": { "file": request.policy_file, "hash": blake3::hash(request.policy_text.as_bytes()).to_hex().to_string() },
            "text": request.policy_text,
            "keys": axes.collect::<Vec<_>>(),
            "tapes": self.tapes,
            "first": self.span.0.to_string(),
            "split": self.split.to_string(),
            "last": self.span.1.to_string(),
            "ranked_by": request.by.name(),
            "runs": self.rows.len(),
        })
    }

    /// The results as a table: `run`, a column a key, ranks, then figures of each part. A key's column holds its values as
    /// written.
    fn table(&self) -> Table {
        let mut columns: Vec<(Cow<'static, str>, Cells)> = Vec::new();
        let whole = |read: &dyn Fn(&Row) -> u64| Cells::Whole(self.rows.iter().map(|row| read(row) as i64).collect());
        let number = |read: &dyn Fn(&Row) -> Option<f64>| Cells::Number(self.rows.iter().map(read).collect());
        columns.push(("run".into(), whole(&|row| row.run as u64)));
        for (at, axis) in self.request.axes.iter().enumerate() {
            // A schema's names are words.
            let name = axis.path.replace(['.', '-'], "_");
            columns.push((name.into(), Cells::Text(self.rows.iter().map(|row| row.values[at].clone()).collect())));
        }
        columns.push(("rank".into(), number(&|row| row.rank.map(|rank| rank as f64))));
        columns.push(("rank_test".into(), number(&|row| row.rank_after.map(|rank| rank as f64))));
        columns.push(("deflated_sharpe".into(), number(&|row| row.deflated.ok())));
        for (name, read) in FIGURES {
            columns.push((name.into(), number(&|row| read(&row.scaled).ok())));
        }
        for (name, read) in FIGURES {
            columns.push((format!("twin_{name}").into(), number(&|row| read(&row.twin).ok())));
        }
        columns.push(("fills".into(), whole(&|row| row.fills)));
        columns.push(("campaigns".into(), whole(&|row| row.campaigns)));
        columns.push(("liquidated".into(), Cells::Flag(self.rows.iter().map(|row| row.liquidated).collect())));
        Table { name: "results", columns }
    }

    /// The same table as CSV.
    #[must_use]
    pub fn csv(&self) -> String {
        let table = self.table();
        let quoted = |text: &str| {
            if text.contains([',', '"', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
        };
        let mut names: Vec<String> = table.columns.iter().map(|(name, _)| name.to_string()).collect();
        for (name, axis) in names.iter_mut().skip(1).zip(&self.request.axes) {
            *name = quoted(&axis.path);
        }
        let mut text = names.join(",") + "\n";
        for row in 0..table.len() {
            let cells = table.columns.iter().map(|(_, cells)| match cells {
                Cells::Number(list) => list[row].map_or_else(String::new, |value| value.to_string()),
                Cells::Whole(list) => list[row].to_string(),
                Cells::Flag(list) => list[row].to_string(),
                Cells::Text(list) => quoted(&list[row]),
                _ => String::new(),
            });
            text += &(cells.collect::<Vec<_>>().join(",") + "\n");
        }
        text
    }
}

type Read = fn(&Parts) -> Figure;

const FIGURES: [(&str, Read); 12] = [
    ("train_sharpe", |parts| parts.train.sharpe),
    ("train_return", |parts| parts.train.total_return),
    ("train_volatility", |parts| parts.train.volatility),
    ("train_drawdown", |parts| parts.train.drawdown),
    ("test_sharpe", |parts| parts.test.sharpe),
    ("test_return", |parts| parts.test.total_return),
    ("test_volatility", |parts| parts.test.volatility),
    ("test_drawdown", |parts| parts.test.drawdown),
    ("sharpe", |parts| parts.whole.sharpe),
    ("return", |parts| parts.whole.total_return),
    ("volatility", |parts| parts.whole.volatility),
    ("drawdown", |parts| parts.whole.drawdown),
];
