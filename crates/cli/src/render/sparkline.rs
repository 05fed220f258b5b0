//! A line of a path in one row of text.

/// Lowest to highest; plain letters where the terminal knows no blocks.
const BLOCKS: [char; 7] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇'];
const ASCII: [char; 7] = ['_', '.', '-', '=', '+', '*', '#'];

/// Paths on one scale, each in `columns` signs: the last value of each stretch.
pub(crate) fn sparklines<const N: usize>(paths: [&[f64]; N], columns: usize) -> [String; N] {
    let signs = if std::env::var_os("TERM").is_some_and(|term| term == "dumb") { ASCII } else { BLOCKS };
    draw(paths, columns, &signs)
}

fn draw<const N: usize>(paths: [&[f64]; N], columns: usize, signs: &[char]) -> [String; N] {
    let sampled = paths.map(|path| sample(path, columns));
    let values = || sampled.iter().flatten().copied().filter(|value| value.is_finite());
    let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
    let sign = |value: &f64| {
        let share = if high > low { (value - low) / (high - low) } else { 0.5 };
        let at = (share * (signs.len() - 1) as f64).round() as usize;
        signs.get(at).copied().unwrap_or(' ')
    };
    sampled.map(|path| path.iter().map(sign).collect())
}

fn sample(path: &[f64], columns: usize) -> Vec<f64> {
    let columns = columns.min(path.len());
    (1..=columns).filter_map(|column| path.get((column * path.len()).div_ceil(columns) - 1)).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_share_one_scale_and_end_at_their_last_value() {
        let [up, flat] = draw([&[1.0, 2.0, 3.0, 4.0, 5.0, 7.0], &[4.0; 6]], 3, &BLOCKS);
        assert_eq!((up.as_str(), flat.as_str()), ("▁▃▇", "▃▃▃"));
        let [none, one] = draw([&[], &[1.0]], 3, &ASCII);
        assert_eq!((none.as_str(), one.as_str()), ("", "="));
    }
}
