//! The one loop: append, handle, drain
