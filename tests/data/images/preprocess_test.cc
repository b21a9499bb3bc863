#include "data/images/preprocess.h"

#include <gtest/gtest.h>

#include "data/files/sha256.h"
#include "tests/data/images/picture_files.h"

namespace ptq::data {
namespace {

std::string Hash(const Image& image) {
  return Sha256({reinterpret_cast<const char*>(image.pixels.data()), image.pixels.size()});
}

// Every golden value of this file: Pillow 9.4.0, Image.frombytes("RGB", ...) of Pattern(), .resize(size, filter).
TEST(PreprocessTest, ResizeGivesPillowsBytes) {
  const Image small = Resize(Pattern(11, 7), 5, 3, Interpolation::kBicubic);
  EXPECT_EQ(small.width, 5);
  EXPECT_EQ(small.height, 3);
  EXPECT_EQ(small.pixels,
            (std::vector<uint8_t>{78,  159, 130, 137, 136, 111, 133, 112, 132, 96,  140, 133, 137, 128, 135,
                                  160, 113, 117, 123, 119, 110, 124, 140, 125, 122, 120, 133, 150, 111, 122,
                                  107, 108, 100, 143, 104, 145, 148, 144, 142, 130, 115, 115, 145, 108, 114}));
  EXPECT_EQ(Resize(Pattern(11, 7), 5, 3, Interpolation::kBilinear).pixels,
            (std::vector<uint8_t>{85,  158, 129, 135, 133, 113, 128, 116, 132, 105, 137, 130, 135, 129, 135,
                                  151, 112, 119, 124, 123, 110, 127, 134, 125, 122, 122, 134, 149, 111, 122,
                                  110, 112, 103, 142, 105, 144, 146, 141, 137, 130, 116, 117, 143, 109, 116}));
}

TEST(PreprocessTest, ResizeGivesPillowsBytesAtOtherSizes) {
  const struct {
    int64_t from[2];
    int64_t to[2];
    const char* bicubic;
    const char* bilinear;
  } cases[] = {
      {{11, 7},
       {16, 12},
       "51748a12cd155af35191f56b3350cde578157c6a76d52f7b38c991a591e2f2b1",
       "7347f41c70d81e18dff19abf137a14d08589c7060aefc2c51474022a5b39fa7b"},
      {{640, 427},
       {383, 256},
       "3d600980834136c24b3e090a7b6b2ec4471b71a4ecb884a4f25e895cc92979e2",
       "11a5c9b458e5b574dd981ee978faeb6d940510b74d72549ec2a99bec511b6d42"},
      {{11, 7},
       {11, 3},
       "756d8dea03b4207b4de903b7b089d1843b242961b444e24db16cf88434a46e00",
       "e08ca0ea5c7465b7ce00f74ec847db04394b19da5190cf976c6b9144019f0804"},
      {{11, 7},
       {5, 7},
       "1f67e1ef54e72377dc5efe82f8a8b92b37bb4687f24319940df5361fdda78552",
       "588db942c8f2bda8dc172927a894675088c84b07a99370bc7d8d35f95e33ee6d"},
      {{300, 2},
       {3, 40},
       "fccc3832b7838516c2b4a5c412392ca451267d33d73711a9a612b3f26052f606",
       "f3d87cf53bdd4097087d4e83d8c746675000b33256bb7e5779acc64fde04be39"},
      {{1, 1},
       {4, 4},
       "aee36848d04f95b9a4183d0b746ade236a3f25eddddaf2f0ce6239148cce8265",
       "aee36848d04f95b9a4183d0b746ade236a3f25eddddaf2f0ce6239148cce8265"},
  };
  for (const auto& test : cases) {
    const Image image = Pattern(test.from[0], test.from[1]);
    EXPECT_EQ(Hash(Resize(image, test.to[0], test.to[1], Interpolation::kBicubic)), test.bicubic) << test.to[0];
    EXPECT_EQ(Hash(Resize(image, test.to[0], test.to[1], Interpolation::kBilinear)), test.bilinear) << test.to[0];
  }
}

TEST(PreprocessTest, ResizeToTheSameSizeChangesNothing) {
  const Image image = Pattern(13, 9);
  EXPECT_EQ(Resize(image, 13, 9, Interpolation::kBicubic).pixels, image.pixels);
}

TEST(PreprocessTest, TheLongerSideIsTruncated) {
  const auto size_of = [](int64_t width, int64_t height, int64_t size) {
    const Image resized = ResizeShorterSide(Pattern(width, height), size, Interpolation::kBilinear);
    return std::pair(resized.width, resized.height);
  };
  EXPECT_EQ(size_of(500, 375, 256), std::pair(int64_t{341}, int64_t{256}));  // 341.33
  EXPECT_EQ(size_of(30, 47, 20), std::pair(int64_t{20}, int64_t{31}));       // 31.33
  EXPECT_EQ(size_of(30, 59, 20), std::pair(int64_t{20}, int64_t{39}));       // 39.33
  EXPECT_EQ(size_of(300, 599, 200), std::pair(int64_t{200}, int64_t{399}));  // 399.33
  EXPECT_EQ(size_of(3, 5, 20), std::pair(int64_t{20}, int64_t{33}));         // 33.33
  EXPECT_EQ(size_of(7, 7, 3), std::pair(int64_t{3}, int64_t{3}));
}

// torchvision: int(round((size - crop) / 2.0)), and Python rounds half to even.
TEST(PreprocessTest, CropOffsetsRoundHalfToEven) {
  const struct {
    int64_t size;
    uint8_t offset;
  } cases[] = {{4, 0}, {5, 0}, {6, 1}, {7, 2}, {8, 2}, {9, 2}, {10, 3}, {11, 4}, {12, 4}, {13, 4}};
  for (const auto& test : cases) {
    Image image{test.size, test.size, {}};
    for (int64_t y = 0; y < test.size; ++y) {
      for (int64_t x = 0; x < test.size; ++x) {
        for (const int64_t value : {x, y, int64_t{0}}) image.pixels.push_back(static_cast<uint8_t>(value));
      }
    }
    const Image crop = CenterCrop(image, 4);
    ASSERT_EQ(crop.pixels.size(), 4U * 4 * 3);
    EXPECT_EQ(crop.pixels[0], test.offset) << test.size;
    EXPECT_EQ(crop.pixels[1], test.offset) << test.size;
    EXPECT_EQ(crop.pixels[4 * 4 * 3 - 3], test.offset + 3) << test.size;
  }
}

TEST(PreprocessTest, SmallPicturesArePaddedWithBlack) {
  // The odd pixel of padding stands behind, as torchvision puts it.
  const Image crop = CenterCrop(Image{1, 2, {1, 2, 3, 4, 5, 6}}, 4);
  ASSERT_EQ(crop.pixels.size(), 4U * 4 * 3);
  std::vector<uint8_t> expected(4 * 4 * 3);
  for (size_t c = 0; c < 3; ++c) {
    expected[(1 * 4 + 1) * 3 + c] = static_cast<uint8_t>(1 + c);
    expected[(2 * 4 + 1) * 3 + c] = static_cast<uint8_t>(4 + c);
  }
  EXPECT_EQ(crop.pixels, expected);
  // Narrow and tall: padded across, cropped along.
  const Image tall = CenterCrop(Pattern(1, 7), 4);
  EXPECT_EQ(tall.pixels[(0 * 4 + 1) * 3], Pattern(1, 7).pixels[2 * 3]);
  EXPECT_EQ(tall.pixels[0], 0);
}

TEST(PreprocessTest, ResizeAndCropIsTheCropOfTheResizedPicture) {
  for (const auto& [width, height] : {std::pair<int64_t, int64_t>{90, 60}, {60, 91}, {33, 33}, {20, 300}, {7, 5}}) {
    const Image image = Pattern(width, height);
    for (const int64_t resize : {int64_t{0}, int64_t{24}, int64_t{33}, int64_t{40}, int64_t{45}}) {
      Preprocessing preprocessing;
      preprocessing.resize = resize;
      preprocessing.crop = 32;
      const Image resized = resize == 0 ? image : ResizeShorterSide(image, resize, preprocessing.interpolation);
      EXPECT_EQ(ResizeAndCrop(image, preprocessing).pixels, CenterCrop(resized, 32).pixels)
          << width << "x" << height << ", " << resize;
    }
  }
}

// The whole resized picture would have 256 * 256 * 200000 pixels.
TEST(PreprocessTest, ExtremeShapesNeedNoMoreThanTheCrop) {
  const Image crop = ResizeAndCrop(Pattern(1, 200000), Preprocessing{});
  EXPECT_EQ(crop.width, 224);
  EXPECT_EQ(crop.height, 224);
}

TEST(PreprocessTest, NormalizeIsPlanarFloat32) {
  const Image image = Pattern(5, 3);
  const Preprocessing preprocessing;
  std::vector<float> out(3 * 5 * 3);
  Normalize(image, preprocessing, out.data());
  for (size_t c = 0; c < 3; ++c) {
    for (size_t i = 0; i < 15; ++i) {
      const float level = image.pixels[3 * i + c];
      EXPECT_EQ(out[c * 15 + i], (level / 255.0F - preprocessing.mean[c]) / preprocessing.std[c]);
    }
  }
}

TEST(PreprocessTest, TextNamesEveryField) {
  Preprocessing preprocessing;
  EXPECT_EQ(ToString(preprocessing),
            "resize=256 crop=224 interpolation=bicubic mean=0.485,0.456,0.406 std=0.229,0.224,0.225");
  preprocessing = {438, 384, Interpolation::kBilinear, {0.5F, 0, 1}, {0.5F, 0.25F, 1e-8F}};
  EXPECT_EQ(ToString(preprocessing), "resize=438 crop=384 interpolation=bilinear mean=0.5,0,1 std=0.5,0.25,1e-08");
}

}  // namespace
}  // namespace ptq::data
