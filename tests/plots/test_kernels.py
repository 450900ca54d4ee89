import numpy as np

from pipeline.plots import kernels


def test_the_largest_weights_come_first_on_one_scale():
    kernel = np.zeros((4, 3), np.float32)
    kernel[0] = 1, -3, 2
    figure = kernels.kernels(kernel, (2, 2, 1), "en", "dense", "hidden_1")
    shown = [axes.get_images()[0] for axes in figure.axes if axes.get_images()]
    assert [float(image.get_array()[0, 0]) for image in shown] == [-3, 2, 1]
    assert {image.get_clim() for image in shown} == {(-3.0, 3.0)}


def test_filters_of_colour_images_are_means_over_channels():
    kernel = np.zeros((3, 3, 3, 1), np.float32)
    kernel[1, 1, :, 0] = 3, 0, 0
    figure = kernels.kernels(kernel, (8, 8, 3), "ja", "cnn", "conv_1")
    image = figure.axes[0].get_images()[0].get_array()
    assert image.shape == (3, 3) and image[1, 1] == 1
