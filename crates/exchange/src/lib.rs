//! The world without a network: orders, bars walked, funding, liquidation
