//! The deterministic state machine: campaigns, plans, caps, orders
