"""The dashboard: pages over the results database, served on this machine or written as files that open from disk.

`pages` builds what a page shows, `render` turns it into HTML, `server` and `site` are the two ways to hand it out.
"""
