//! Fragments of policies made whole, so that examples may show only what they are about.

/// A fragment with the parts that every policy needs, as far as it has them not.
pub(crate) fn completed(fragment: &str) -> String {
    let has = |start: &str| fragment.lines().any(|line| line.starts_with(start));
    let head = [("policy", "1"), ("name", "\"x\""), ("instrument", "\"binance:BTCUSDT-PERP\"")];
    let mut text = String::new();
    // Only what stands before the first section: a limit has a name too.
    let top =
        |start: &str| fragment.lines().take_while(|line| !line.starts_with('[')).any(|line| line.starts_with(start));
    let stands =
        |key: &str| top(&format!("{key} =")) || (key == "instrument" && (top("instruments =") || has("[structure]")));
    for (key, value) in head.iter().filter(|(key, _)| !stands(key)) {
        text.push_str(&format!("{key} = {value}\n"));
    }
    text.push_str(fragment);
    if !has("[signal]") {
        text.push_str("\n[signal]\nkind = \"constant\"\nstrength = 1.0\n");
    }
    if !has("[size]") {
        text.push_str("\n[size]\nkind = \"fixed_fraction\"\nfraction = 1.0\n");
    }
    text
}
