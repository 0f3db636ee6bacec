//! Reports in formats that others have defined.

pub mod sarif;
