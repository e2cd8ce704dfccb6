"""UN/CEFACT Cross Industry Invoice (CII D16B), as EN 16931, XRechnung and Factur-X use it."""
