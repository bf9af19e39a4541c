"""Every contract with the outside, as data: specifications and their formats, and all errors."""
