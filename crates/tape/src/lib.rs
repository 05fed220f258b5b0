//! The recorded-data format: typed, columnar, streamed, merged by time
