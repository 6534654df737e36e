"""A page to send: a forecast, or a fit, in one file that opens from a disk and prints.

What a page says is computed first (`findings`, `influence`), then written section by section into
plain blocks (`blocks`), which one static template turns into HTML (`page`). Figures are drawn in
paints that follow the page's colours, light or dark (`vector`).

Example:
    >>> from skillscale.posterior.shipped import shipped_fit
    >>> from skillscale.report.fit_page import fit_page
    >>> page = fit_page(shipped_fit())
    >>> page.title
    'Skills of 406 models'
"""
