//! Numbers in, numbers out: realised volatility and ranges
