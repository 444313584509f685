"""The plugins that come with nstfilter, registered through the same door as everybody else's."""
